//! Every source file of the workspace opens by saying what it is.

use std::fs;
use std::path::Path;

const CRATES: [&str; 5] = ["config", "xds-client", "proxy", "integration", "benches"];

#[test]
fn every_file_says_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut silent = Vec::new();
    let mut seen = 0;
    for name in CRATES {
        walk(&root.join(name), &mut |path, text| {
            seen += 1;
            if !text.starts_with("//! ") {
                silent.push(path.display().to_string());
            }
        });
    }
    assert!(seen > 100, "only {seen} files were found");
    assert!(silent.is_empty(), "these files do not open with a `//!` line: {silent:#?}");
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).expect("the tree is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                walk(&path, visit);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path, &fs::read_to_string(&path).expect("sources are text"));
        }
    }
}
