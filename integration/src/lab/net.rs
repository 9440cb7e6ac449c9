//! Network namespaces on one bridge, all of it inside namespaces of our own: hub with the bridge, one namespace per host.
//!
//! Names carry the process id of the run that made them (`orl-PID-N-NAME`), so labs coexist and leftovers are told from live ones.
//! `/etc/netns/NAME/{hosts,resolv.conf}` are what `ip netns exec` bind-mounts over the machine's own.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use proxy::cli::complain;

use super::Result;

/// Every namespace of every lab starts with this.
const PREFIX: &str = "orl-";

/// Which name server a host's `resolv.conf` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// 127.0.0.1, where nothing listens: each question is refused at once.
    Refuses,
    /// A server at this last octet, for a name server that takes questions and never answers.
    At(u8),
}

/// A bridge and the hosts on it; `10.77.0.0/24` in each, since networks never meet.
pub struct Network {
    prefix: String,
    /// Namespaces made so far, the hub first.
    namespaces: Mutex<Vec<String>>,
}

/// One host: a namespace with one address. Cheap to clone; it ends with its [`Network`].
#[derive(Clone, Debug)]
pub struct Host {
    namespace: String,
    /// Its address on the bridge.
    pub address: Ipv4Addr,
}

impl Network {
    /// Makes the hub and its bridge.
    pub fn create() -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{PREFIX}{}-{number}-", std::process::id());
        let network = Self { prefix, namespaces: Mutex::default() };
        let hub = network.add_namespace("hub")?;
        ip(&["-n", &hub, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "br0", "up"])?;
        Ok(network)
    }

    /// Adds a host at `10.77.0.LAST` that knows istiod by name.
    pub fn host(&self, name: &str, last: u8, resolver: Resolver) -> Result<Host> {
        let hub = format!("{}hub", self.prefix);
        let namespace = self.add_namespace(name)?;
        let address = address(last);
        write_host_files(&namespace, resolver)?;
        let port = format!("v{last}");
        ip(&["-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
        ip(&["-n", &hub, "link", "set", &port, "master", "br0", "up"])?;
        ip(&["-n", &namespace, "address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
        Ok(Host { namespace, address })
    }

    /// Removes namespaces whose run is gone (killed before it could tidy up), with the processes in them.
    pub fn sweep_leftovers() -> Result<()> {
        for namespace in list_namespaces()? {
            let owner = namespace.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            if owner.is_some_and(|pid| !PathBuf::from("/proc").join(pid).exists()) {
                complain(format_args!("lab: removing {namespace}, left by a run that is gone"));
                remove_namespace(&namespace);
            }
        }
        Ok(())
    }

    fn add_namespace(&self, name: &str) -> Result<String> {
        let namespace = format!("{}{name}", self.prefix);
        ip(&["netns", "add", &namespace])?;
        self.namespaces.lock().unwrap_or_else(|held| held.into_inner()).push(namespace.clone());
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in self.namespaces.get_mut().unwrap_or_else(|held| held.into_inner()).drain(..).rev() {
            remove_namespace(&namespace);
        }
    }
}

impl Host {
    /// A command that runs `program` on this host, with a bare environment (`PATH` alone).
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command.env_clear().env("PATH", search_path());
        command
    }

    /// The name for `ip netns exec`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The TCP addresses that are listened on, as `ss` spells them, sorted.
    pub fn listening(&self) -> Result<Vec<String>> {
        let output = self.command("ss").args(["-Hltn"]).output()?;
        if !output.status.success() {
            return Err(format!("ss: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let mut addresses: Vec<_> =
            text.lines().filter_map(|line| line.split_whitespace().nth(3)).map(str::to_owned).collect();
        addresses.sort();
        addresses.dedup();
        Ok(addresses)
    }
}

/// `10.77.0.LAST`.
pub fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

/// `PATH` for programs of the lab: root's, whoever's shell started us.
pub fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default())
}

fn write_host_files(namespace: &str, resolver: Resolver) -> Result<()> {
    let folder = netns_folder(namespace);
    std::fs::create_dir_all(&folder)?;
    let control_plane = address(super::CONTROL_PLANE);
    std::fs::write(folder.join("hosts"), format!("127.0.0.1 localhost\n{control_plane} istiod.istio-system.svc\n"))?;
    let server = match resolver {
        Resolver::Refuses => Ipv4Addr::LOCALHOST,
        Resolver::At(last) => address(last),
    };
    std::fs::write(folder.join("resolv.conf"), format!("nameserver {server}\n"))?;
    Ok(())
}

fn netns_folder(namespace: &str) -> PathBuf {
    PathBuf::from("/etc/netns").join(namespace)
}

fn list_namespaces() -> Result<Vec<String>> {
    let text = ip(&["netns", "list"])?;
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| name.starts_with(PREFIX)).map(str::to_owned).collect())
}

/// Ends what still runs in the namespace (only ours can be in it) and deletes it. Failing is only told: this runs in drops.
fn remove_namespace(namespace: &str) {
    let pids = ip(&["netns", "pids", namespace]).unwrap_or_default();
    for pid in pids.split_whitespace() {
        // A process may have ended by itself in between.
        let _ = Command::new("kill").args(["-KILL", pid]).output();
    }
    if let Err(error) = ip(&["netns", "delete", namespace]) {
        complain(format_args!("lab: {error}"));
    }
    let _ = std::fs::remove_dir_all(netns_folder(namespace));
}

fn ip(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(arguments).env("PATH", search_path()).output()?;
    if !output.status.success() {
        return Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
