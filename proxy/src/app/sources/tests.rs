//! Files and variables that are there, and those that are not.

use std::sync::Arc;

use config::secret::FileSource;

use super::*;

fn file(path: &std::path::Path) -> DataSource {
    DataSource::File(FileSource { path: path.to_path_buf(), watched: None })
}

#[test]
fn files_and_variables_are_read_and_what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    std::fs::write(&path, b"\xffhello").unwrap();
    assert_eq!(read(&file(&path)).unwrap(), &b"\xffhello"[..]);
    assert!(read(&file(&folder.path().join("absent"))).unwrap_err().contains("absent cannot be read"));
    assert!(read(&file(folder.path())).unwrap_err().contains("is no file"));

    let variable = |name: &str| DataSource::Environment(Arc::from(name));
    assert_eq!(read(&variable("PATH")).unwrap(), std::env::var("PATH").unwrap());
    assert!(read(&variable("OUTRIGGER_NO_SUCH")).unwrap_err().contains("OUTRIGGER_NO_SUCH is not set"));
}
