//! Files and variables that are there, and those that are not.

use std::path::Path;
use std::sync::Arc;

use super::*;

fn at(path: &Path) -> DataSource {
    DataSource::File(FileSource { path: path.to_path_buf(), watched: None })
}

#[test]
fn files_and_variables_are_read_and_what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    std::fs::write(&path, b"\xffhello").unwrap();
    assert_eq!(read(&at(&path)).unwrap(), &b"\xffhello"[..]);
    let said = read(&at(&folder.path().join("absent"))).unwrap_err();
    assert!(said.starts_with("cannot read /") && said.contains("/absent: No such file"), "{said}");
    assert!(read(&at(folder.path())).unwrap_err().contains("is no regular file"));

    let variable = |name: &str| DataSource::Environment(Arc::from(name));
    assert_eq!(read(&variable("PATH")).unwrap(), std::env::var("PATH").unwrap());
    assert!(read(&variable("OUTRIGGER_NO_SUCH")).unwrap_err().contains("OUTRIGGER_NO_SUCH is not set"));
}

/// A pipe that nobody writes to would never end, and a device not either.
#[test]
fn what_does_not_end_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [&*pipe, Path::new("/dev/zero")] {
        let said = read(&at(path)).unwrap_err();
        assert!(said.contains(&format!("{} is no regular file", path.display())), "{said}");
    }
}

#[test]
fn a_file_may_be_so_long_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long");
    let file = File::create(&path).unwrap();
    file.set_len(LONGEST).unwrap();
    assert_eq!(read(&at(&path)).unwrap().len() as u64, LONGEST);
    file.set_len(LONGEST + 1).unwrap();
    assert!(read(&at(&path)).unwrap_err().contains("is longer than 16 MiB"));
}
