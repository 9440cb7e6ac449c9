//! etcd and kube-apiserver in the control plane's namespace, and the few calls on it that the lab makes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::net::Host;
use super::objects::{self, Object};
use super::process::Process;
use super::tools::Tools;
use super::{Result, wait};

const SERVER: &str = "https://127.0.0.1:6443";
const TOKEN: &str = "admintoken";

/// How long applying one object may take; a CRD that was just applied is not served at once.
const APPLY_DEADLINE: Duration = Duration::from_secs(30);

/// A running API server. Dropping it ends it and its etcd.
pub struct Kube {
    _server: Process,
    _etcd: Process,
    host: Host,
    kubeconfig: PathBuf,
}

impl Kube {
    /// Starts both on `host` and waits until the API server calls itself ready.
    pub fn start(tools: &Tools, host: &Host, folder: &Path, deadline: Duration) -> Result<Self> {
        let state = folder.join("kube");
        std::fs::create_dir_all(&state)?;
        let etcd = Process::spawn("etcd", folder, etcd_command(tools, host, &state)?)?;
        let server = Process::spawn("kube-apiserver", folder, server_command(tools, host, &state)?)?;
        let kubeconfig = state.join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_text())?;
        let mut kube = Self { _server: server, _etcd: etcd, host: host.clone(), kubeconfig };
        wait::until_true("the API server to be ready", deadline, || {
            kube._etcd.check_running()?;
            kube._server.check_running()?;
            Ok(kube.call(&["--max-time", "2"], "/readyz", None).is_ok_and(|answer| answer == "ok"))
        })?;
        Ok(kube)
    }

    /// Server-side apply of each object in `yaml`.
    ///
    /// # Errors
    /// When the API server refuses an object; its own words are in the text.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        for object in objects::parse(yaml)? {
            let what = format!("the API server to take {} {}", object.kind, object.name);
            wait::until(&what, APPLY_DEADLINE, || self.apply_one(&object))??;
        }
        Ok(())
    }

    /// Deletes each object in `yaml`.
    pub fn delete(&self, yaml: &str) -> Result<()> {
        for object in objects::parse(yaml)? {
            self.call(&["--request", "DELETE"], &object.path(), None)?;
        }
        Ok(())
    }

    /// What the API server holds at `path`, for example `/api/v1/namespaces/bookinfo/services`.
    pub fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.call(&[], path, None)?)?)
    }

    /// The names of all objects in the list at `path`.
    pub fn names(&self, path: &str) -> Result<Vec<String>> {
        let list = self.get(path)?;
        let items = list["items"].as_array().ok_or_else(|| format!("{path} is no list: {list}"))?;
        Ok(items.iter().filter_map(|item| item["metadata"]["name"].as_str()).map(str::to_owned).collect())
    }

    /// The kubeconfig file for istiod and istioctl, which run on the same host.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The host that the API server runs on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// `None`: its kind or its namespace is not served yet, try again. `Some(Err)`: refused.
    fn apply_one(&self, object: &Object) -> Result<Option<Result<()>>> {
        let path = format!("{}?fieldManager=lab&force=true", object.path());
        let arguments = ["--request", "PATCH", "--header", "content-type: application/apply-patch+yaml"];
        let answer = self.call(&arguments, &path, Some(&object.text))?;
        let kind = serde_json::from_str::<Value>(&answer).unwrap_or_default();
        match (kind["kind"].as_str(), kind["code"].as_u64()) {
            (Some("Status"), Some(404)) => Ok(None),
            (Some("Status"), _) => Ok(Some(Err(format!("{} {}: {answer}", object.kind, object.name).into()))),
            (Some(_), _) => Ok(Some(Ok(()))),
            (None, _) => Ok(None),
        }
    }

    fn call(&self, arguments: &[&str], path: &str, body: Option<&str>) -> Result<String> {
        let mut command = self.host.command("curl");
        command.args(["-sSk", "--header", &format!("authorization: Bearer {TOKEN}")]).args(arguments);
        if body.is_some() {
            command.args(["--data-binary", "@-"]);
        }
        command.arg(format!("{SERVER}{path}"));
        run_with_input(command, body.unwrap_or_default())
    }
}

fn run_with_input(mut command: Command, input: &str) -> Result<String> {
    use std::io::Write;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // curl reads all of its input before it writes, so writing first cannot block both.
    child.stdin.take().ok_or("no stdin")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn etcd_command(tools: &Tools, host: &Host, state: &Path) -> Result<Command> {
    let mut command = host.command(tools.path("etcd")?);
    command.arg("--data-dir").arg(state.join("etcd"));
    command.args(["--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379"]);
    command.args(["--listen-peer-urls", "http://127.0.0.1:2380"]);
    Ok(command)
}

fn server_command(tools: &Tools, host: &Host, state: &Path) -> Result<Command> {
    let key = rcgen::KeyPair::generate()?;
    std::fs::write(state.join("sa.key"), key.serialize_pem())?;
    std::fs::write(state.join("sa.pub"), key.public_key_pem())?;
    std::fs::write(state.join("tokens.csv"), format!("{TOKEN},admin,admin,system:masters\n"))?;
    let mut command = host.command(tools.path("kube-apiserver")?);
    command.current_dir(state);
    command.args(["--etcd-servers", "http://127.0.0.1:2379", "--cert-dir", "certs", "--secure-port", "6443"]);
    command.args(["--bind-address", "127.0.0.1", "--advertise-address", &host.address.to_string()]);
    command.args(["--service-cluster-ip-range", "10.96.0.0/16"]);
    command.args(["--service-account-issuer", "https://kubernetes.default.svc"]);
    command.args(["--service-account-key-file", "sa.pub", "--service-account-signing-key-file", "sa.key"]);
    command.args(["--authorization-mode", "AlwaysAllow", "--token-auth-file", "tokens.csv"]);
    command.args(["--disable-admission-plugins", "ServiceAccount", "--endpoint-reconciler-type", "none"]);
    Ok(command)
}

fn kubeconfig_text() -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
         clusters:\n- name: lab\n  cluster: {{server: \"{SERVER}\", insecure-skip-tls-verify: true}}\n\
         users:\n- name: admin\n  user: {{token: {TOKEN}}}\n\
         contexts:\n- name: lab\n  context: {{cluster: lab, user: admin}}\n"
    )
}
