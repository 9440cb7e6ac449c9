//! Each file of `testdata/filters/` is a list of configs of one filter, as chains or routes hold it, beside what they become.
//! `UPDATE_GOLDENS=1` rewrites what is expected; the diff is the review. The states of the registry do not matter here.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::extension;
use crate::proto::wkt::Any;

/// The files and their cases, sorted.
pub(crate) fn files() -> Vec<(PathBuf, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/filters");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let cases = serde_json::from_str(&std::fs::read_to_string(&path).unwrap());
        let cases = cases.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, cases)
    };
    paths.into_iter().map(read).collect()
}

/// Where a case stands.
pub(crate) fn kind(case: &Value) -> Kind {
    match (case["routes"] == true, case["network"] == true) {
        (true, _) => Kind::PerRoute,
        (_, true) => Kind::NetworkFilter,
        _ => Kind::HttpFilter,
    }
}

/// What an `Any` becomes in a chain or on a route, where the decoder alone judges it.
pub(crate) fn probed(kind: Kind, bytes: &[u8]) -> String {
    let (at, options) = (At::root(), Options::unchecked());
    let Ok(any) = <Any as prost::Message>::decode(bytes) else { return "no message".to_owned() };
    let extension = match extension::open(&at, &any) {
        Ok(extension) => extension,
        Err(rejection) => return format!("Err({rejection})"),
    };
    let read = match kind {
        Kind::PerRoute => read_scoped(&at, &extension, &options).map(|read| format!("{read:?}")),
        Kind::NetworkFilter => network::read(&at, &extension, &options).map(|read| format!("{read:?}")),
        _ => read(&at, &extension, &options).map(|read| format!("{read:?}")),
    };
    read.unwrap_or_else(|| "no filter".to_owned())
}

/// What a config becomes: a filter's, or else settings for routes.
fn translated(config: &Value, kind: Kind, options: &Options) -> Result<String, Rejection> {
    let at = At::root();
    let type_url = config["@type"].as_str().expect("a config has an @type").to_owned();
    let any = Any { type_url, value: crate::dump::encode(config)? };
    let extension = extension::open(&at, &any)?;
    Ok(match kind {
        Kind::PerRoute => format!("{:#?}", read_scoped(&at, &extension, options).expect("a line for its routes")?),
        Kind::NetworkFilter => format!("{:#?}", network::read(&at, &extension, options).expect("a line")?),
        _ => format!("{:#?}", read(&at, &extension, options).expect("a line")?),
    })
}

#[test]
fn goldens() {
    let mut seen = std::collections::BTreeSet::new();
    for (path, cases) in files() {
        let mut text = String::new();
        for case in &cases {
            let name = case["case"].as_str().unwrap();
            let options = Options::default();
            let kind = kind(case);
            seen.insert((kind, extension::message_name(case["config"]["@type"].as_str().unwrap()).to_owned()));
            let told = match translated(&case["config"], kind, &options) {
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
    for entry in ENTRIES.iter().chain(network::ENTRIES) {
        assert!(seen.contains(&(entry.kind, entry.type_name.to_owned())), "{} has no case", entry.type_name);
    }
}

/// A small generator of numbers (SplitMix64), so that a failure can be repeated.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)) as usize
}

#[test]
fn damaged_configs_are_read_or_rejected() {
    let (mut state, mut read_ones) = (1, 0);
    for (_, cases) in files() {
        for case in cases {
            let type_url = case["config"]["@type"].as_str().unwrap().to_owned();
            let bytes = crate::dump::encode(&case["config"]).unwrap();
            for _ in 0..100 {
                let mut value = bytes.clone();
                value.truncate(value.len() - random(&mut state) % (value.len() + 1) / 8);
                if !value.is_empty() {
                    let place = random(&mut state) % value.len();
                    value[place] = random(&mut state) as u8;
                }
                let any = Any { type_url: type_url.clone(), value };
                let (at, options) = (At::root(), Options::default());
                let extension = extension::open(&at, &any).unwrap();
                read_ones += usize::from(matches!(read(&at, &extension, &options), Some(Ok(_))));
                read_ones += usize::from(matches!(network::read(&at, &extension, &options), Some(Ok(_))));
                read_ones += usize::from(matches!(read_scoped(&at, &extension, &options), Some(Ok(_))));
            }
        }
    }
    assert!(read_ones > 1000, "{read_ones}: damage that nothing survives tests little");
}

#[test]
fn policy_is_never_inert() {
    let policies: Vec<_> = crate::registry::extensions().filter(|entry| entry.policy).collect();
    assert!(ENTRIES.iter().chain(network::ENTRIES).filter(|entry| entry.policy).count() < policies.len());
    assert!(policies.iter().all(|entry| entry.state != State::Inert), "{policies:?}");
    // Those are passed by where their config lets pass what they fail to judge; docs/security.md says so.
    let passed_by = policies.iter().filter(|entry| entry.state == State::InertIfFailOpen);
    let passed_by: Vec<_> = passed_by.map(|entry| entry.type_name.rsplit_once(".filters.").unwrap().1).collect();
    assert_eq!(
        passed_by,
        ["network.wasm.v3.Wasm", "network.ext_proc.v3.NetworkExternalProcessor", "http.wasm.v3.Wasm"]
    );
}

#[test]
fn configs_inside_configs_end_somewhere() {
    fn dive(at: &At<'_>, options: &Options) -> Result<(), Rejection> {
        options.nested(at, || dive(at, options))
    }
    let (at, options) = (At::root(), Options::default());
    assert!(dive(&at, &options).unwrap_err().reason.contains("too deep"));
    assert_eq!(options.nested(&at, || Ok(1)).unwrap(), 1, "the next one begins anew");
}
