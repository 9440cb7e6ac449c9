//! Each file of `testdata/filters/` is a list of configs of one filter, as chains or routes hold it, beside what they become.
//! `UPDATE_GOLDENS=1` rewrites what is expected; the diff is the review. The states of the registry do not matter here.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::extension;
use crate::proto::wkt::Any;

/// What a config becomes: a filter's, or else settings for routes.
fn translated(config: &Value, routes: bool, options: &Options) -> Result<String, Rejection> {
    let at = At::root();
    let type_url = config["@type"].as_str().expect("a config has an @type").to_owned();
    let any = Any { type_url, value: crate::dump::encode(config)? };
    let extension = extension::open(&at, &any)?;
    Ok(if routes {
        format!("{:#?}", read_scoped(&at, &extension, options).expect("a line for its routes")?)
    } else {
        format!("{:#?}", read(&at, &extension, options).expect("a line")?)
    })
}

#[test]
fn goldens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/filters");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        seen += 1;
        let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut text = String::new();
        for case in &cases {
            let name = case["case"].as_str().unwrap();
            let options = Options::default();
            let told = match translated(&case["config"], case["routes"] == true, &options) {
                Ok(text) => text,
                Err(rejection) => format!("rejected: {rejection}"),
            };
            assert_eq!(told.starts_with("rejected"), case["bad"] == true, "{name}: {told}");
            writeln!(text, "{name}\n{told}").unwrap();
            options.take_notes().iter().for_each(|note| writeln!(text, "note: {note}").unwrap());
        }
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), text, "{}", golden.display());
    }
    assert_eq!(seen, 3, "one file a filter");
}

#[test]
fn policy_is_never_inert() {
    for entry in ENTRIES {
        assert!(!entry.policy || matches!(entry.state, State::Works | State::Refused), "{}", entry.type_name);
    }
}
