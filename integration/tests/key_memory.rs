//! Private keys in the memory of a running proxy: one that was replaced is gone, and nobody but root may look.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outrigger_integration::control_plane::ca::{Authority, Leaf};
use outrigger_integration::embedded::binary;
use outrigger_integration::skip::or_skip;
use serde_json::json;

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(30);

struct Proxy {
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Proxy {
    /// With a listener on a Unix socket whose certificate is in files; `through` starts it.
    fn start(through: &[&str], flags: &[&str], first: &Leaf) -> Proxy {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        put(folder.path(), first);
        let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
        let echo = "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo";
        let certificate =
            json!({"certificate_chain": {"filename": at("chain.pem")}, "private_key": {"filename": at("key.pem")}});
        let context = json!({"@type": tls, "common_tls_context": {"tls_certificates": [certificate]}});
        let listener = json!({
            "name": "l",
            "address": {"pipe": {"path": at("socket")}},
            "filter_chains": [{
                "transport_socket": {"name": "tls", "typed_config": context},
                "filters": [{"name": "e", "typed_config": {"@type": echo}}],
            }],
        });
        std::fs::write(at("b.json"), json!({"static_resources": {"listeners": [listener]}}).to_string())
            .expect("written");
        open_to_all(folder.path());
        let program = binary::build().expect("the binary builds");
        let mut words = through.iter().map(std::ffi::OsStr::new).chain([program.as_os_str()]);
        let child = Command::new(words.next().expect("a program"))
            .args(words)
            .arg("-c")
            .arg(at("b.json"))
            .args(["--concurrency", "1", "-l", "info", "--disable-hot-restart"])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(at("log")).expect("a file"))
            .spawn()
            .expect("it starts");
        let proxy = Proxy { child, folder };
        proxy.until("it listens", || {
            std::os::unix::net::UnixStream::connect(proxy.folder.path().join("socket")).is_ok()
        });
        proxy
    }

    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(started.elapsed() < DEADLINE, "{what}: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log_has(&self, text: &str) -> bool {
        std::fs::read_to_string(self.folder.path().join("log")).is_ok_and(|log| log.contains(text))
    }

    /// How often any of these stands in its memory.
    fn count(&self, marks: &[Vec<u8>]) -> Result<usize, String> {
        use std::os::unix::fs::FileExt;
        let id = self.child.id();
        let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).map_err(|error| error.to_string())?;
        let memory = std::fs::File::open(format!("/proc/{id}/mem")).map_err(|error| format!("its memory: {error}"))?;
        let mut found = 0;
        for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let number = |text: &str| u64::from_str_radix(text, 16).unwrap_or_default();
            let Some((start, end)) = range.map(|(start, end)| (number(start), number(end))) else { continue };
            let mut part = vec![0; 1 << 20];
            let mut at = start;
            while at < end {
                let wanted = part.len().min((end - at) as usize);
                let Ok(read) = memory.read_at(&mut part[..wanted], at) else { break };
                for mark in marks {
                    found += part[..read].windows(mark.len()).filter(|window| *window == mark.as_slice()).count();
                }
                if read == 0 {
                    break;
                }
                // So that what lies across two parts is found, too.
                at += if read == part.len() { read as u64 - 64 } else { read as u64 };
            }
        }
        Ok(found)
    }
}

fn put(folder: &Path, leaf: &Leaf) {
    for (name, text) in [("chain.pem", &leaf.chain), ("key.pem", &leaf.key)] {
        let next = folder.join(format!("{name}.next"));
        std::fs::write(&next, text).expect("written");
        std::fs::rename(&next, folder.join(name)).expect("renamed");
    }
    open_to_all(folder);
}

fn open_to_all(folder: &Path) {
    let done = Command::new("chmod").args(["-R", "a+rwX"]).arg(folder).status().expect("chmod runs");
    assert!(done.success());
}

/// What of a P-256 key in PKCS#8 only its owner knows: as text, as octets, and with the octets the other way round.
fn marks(leaf: &Leaf) -> Vec<Vec<u8>> {
    let body: String = leaf.key.lines().filter(|line| !line.starts_with("--")).collect();
    use base64::Engine as _;
    let der = base64::engine::general_purpose::STANDARD.decode(&body).expect("base64");
    let secret = der[36..68].to_vec();
    let text = body.as_bytes()[52..84].to_vec();
    vec![text, secret[..16].to_vec(), secret[16..].to_vec(), secret[..16].iter().rev().copied().collect()]
}

#[test]
fn a_key_that_was_replaced_is_gone_from_memory() {
    let name = "a_key_that_was_replaced_is_gone_from_memory";
    let authority = Authority::new();
    let [first, second] = [authority.issue("spiffe://mesh/first"), authority.issue("spiffe://mesh/second")];
    let proxy = Proxy::start(&[], &[], &first);
    let Some(before) = or_skip(name, proxy.count(&marks(&first))) else { return };
    assert!(before > 0, "the key in use is in memory, and this test can find it");
    put(proxy.folder.path(), &second);
    proxy.until("the new pair is in use", || proxy.log_has("names [spiffe://mesh/second]"));
    let counted = || proxy.count(&marks(&first)).expect("its memory could be read");
    // The worker lets go of the former context when it next looks.
    drop(std::os::unix::net::UnixStream::connect(proxy.folder.path().join("socket")));
    proxy.until("the former key is gone", || counted() == 0);
    assert!(proxy.count(&marks(&second)).expect("its memory could be read") > 0);
}

#[test]
fn memory_is_not_for_others_to_look_at() {
    let name = "memory_is_not_for_others_to_look_at";
    let through = ["setpriv", "--reuid", "1337", "--regid", "1337", "--clear-groups", "--"];
    let can = Command::new("setpriv").args(&through[1..]).arg("true").status();
    let can = match can {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("it needs root and setpriv: {other:?}")),
    };
    if or_skip(name, can).is_none() {
        return;
    }
    let leaf = Authority::new().issue("spiffe://mesh/a");
    let owner = |flags: &[&str]| {
        let proxy = Proxy::start(&through, flags, &leaf);
        std::fs::metadata(format!("/proc/{}/mem", proxy.child.id())).expect("it runs").uid()
    };
    assert_eq!(owner(&[]), 0, "root's alone");
    assert_eq!(owner(&["--enable-core-dump"]), 1337);
}
