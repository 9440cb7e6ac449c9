//! A workload: a host with the real onboarding files, a real pilot-agent that starts the chosen proxy, and applications.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::curl::{self, Reply};
use super::kube::Kube;
use super::net::{Host, Resolver};
use super::objects;
use super::process::Process;
use super::tools::Tools;
use super::{Result, wait};

/// Which program the agent starts as the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// Ours.
    Outrigger,
    /// The stock Envoy binary.
    Envoy,
    /// Any program that takes Envoy's arguments.
    Program(PathBuf),
}

/// What to start.
#[derive(Clone, Debug)]
pub struct WorkloadSpec {
    /// The host's name; the agent calls the workload `NAME-vm`.
    pub name: String,
    /// The last octet of its address.
    pub address: u8,
    /// The object text that holds its `WorkloadGroup`.
    pub objects: String,
    /// The name of that group.
    pub group: String,
    /// What the agent starts.
    pub proxy: Proxy,
    /// Its name server.
    pub resolver: Resolver,
    /// More environment for the agent, for example `SECRET_TTL`.
    pub environment: Vec<(String, String)>,
}

impl WorkloadSpec {
    /// A workload named like its group, with a name server that refuses at once.
    pub fn new(group: &str, address: u8, objects: &str, proxy: Proxy) -> Self {
        Self {
            name: group.to_owned(),
            address,
            objects: objects.to_owned(),
            group: group.to_owned(),
            proxy,
            resolver: Resolver::Refuses,
            environment: Vec::new(),
        }
    }
}

/// A running workload. Dropping it ends agent, proxy and applications.
pub struct Workload {
    /// Where it runs.
    pub host: Host,
    name: String,
    agent: Process,
    apps: Vec<(String, Process)>,
    app_program: PathBuf,
    folder: PathBuf,
    root: PathBuf,
}

impl Workload {
    /// Makes the bundle with istioctl, lays out the agent's root folder and starts the agent.
    pub fn start(tools: &Tools, kube: &Kube, host: Host, folder: &Path, spec: WorkloadSpec) -> Result<Self> {
        let root = folder.join(&spec.name);
        let bundle = make_bundle(tools, kube, folder, &spec)?;
        lay_out_root(tools, &bundle, &root)?;
        let command = agent_command(tools, &host, &root, &bundle, &spec)?;
        let agent = Process::spawn(&format!("{}-agent", spec.name), folder, command)?;
        let app_program = tools.path("app")?.to_owned();
        Ok(Self { host, name: spec.name, agent, apps: Vec::new(), app_program, folder: folder.to_owned(), root })
    }

    /// Starts an application of ours (see `outrigger-lab-app --help`) under a name of its own.
    pub fn start_app(&mut self, name: &str, arguments: &[&str]) -> Result<()> {
        let process =
            start_app(&self.app_program, &self.host, &self.folder, &format!("{}-{name}", self.name), arguments)?;
        self.apps.push((name.to_owned(), process));
        Ok(())
    }

    /// Waits until the agent calls the workload ready on port 15021, asked over the network as a load balancer would.
    pub fn wait_ready(&mut self, deadline: Duration) -> Result<()> {
        let url = format!("http://{}:15021/healthz/ready", self.host.address);
        wait::until_true(&format!("{} to be ready on 15021", self.name), deadline, || {
            self.agent.check_running()?;
            Ok(curl::curl(&self.host, &["--max-time", "2", &url])?.status == 200)
        })
    }

    /// What the proxy's admin port answers to a GET.
    pub fn admin(&self, path: &str) -> Result<Reply> {
        curl::curl(&self.host, &[&format!("http://127.0.0.1:15000{path}")])
    }

    /// All that agent and proxy wrote.
    pub fn proxy_output(&self) -> Result<String> {
        self.agent.output()
    }

    /// Waits for the access log line that has `mark` in it. The proxies write their lines once a second.
    pub fn access_line(&self, mark: &str) -> Result<String> {
        let what = format!("an access log line of {} with {mark}", self.name);
        wait::until(&what, Duration::from_secs(10), || {
            let output = self.proxy_output()?;
            let mut lines = output.lines().filter(|line| line.starts_with('[') && line.contains(mark));
            Ok(lines.next().map(str::to_owned))
        })
    }

    /// The JSON lines that an application has written: one for each request or connection it saw.
    pub fn app_saw(&self, app: &str) -> Result<Vec<serde_json::Value>> {
        let (_, process) = self.apps.iter().find(|(name, _)| name == app).ok_or_else(|| format!("no app {app}"))?;
        saw(process)
    }

    /// The process id of the proxy that the agent started.
    ///
    /// # Errors
    /// When the agent has no child (yet).
    pub fn proxy_id(&self) -> Result<u32> {
        let all = std::fs::read_dir(format!("/proc/{}/task", self.agent.id()))?.flatten();
        // Any thread of the agent may have forked.
        let children = all.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
        let ids: String = children.collect();
        let first = ids.split_whitespace().next().ok_or_else(|| format!("the agent of {} has no child", self.name))?;
        Ok(first.parse()?)
    }

    /// The agent's folder: its sockets are below it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The agent's process.
    pub fn agent(&mut self) -> &mut Process {
        &mut self.agent
    }

    /// Ends agent, proxy and applications at once.
    pub fn stop(self) {}
}

/// Starts `outrigger-lab-app` on a host.
pub fn start_app(program: &Path, host: &Host, folder: &Path, name: &str, arguments: &[&str]) -> Result<Process> {
    let mut command = host.command(program);
    command.args(arguments);
    Process::spawn(name, folder, command)
}

/// The JSON lines that an application has written so far (a line that is still being written is left out).
pub fn saw(process: &Process) -> Result<Vec<serde_json::Value>> {
    Ok(process.output()?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// The folder with the files that `istioctl x workload entry configure` writes, token included.
fn make_bundle(tools: &Tools, kube: &Kube, folder: &Path, spec: &WorkloadSpec) -> Result<PathBuf> {
    let objects = objects::parse(&spec.objects)?;
    let group = objects::find(&objects, "WorkloadGroup", &spec.group)?;
    let file = folder.join(format!("{}.group.yaml", spec.name));
    std::fs::write(&file, &group.text)?;
    let bundle = folder.join(format!("{}.bundle", spec.name));
    // The root certificate's ConfigMap is written into a new namespace by istiod a moment later.
    wait::until("istioctl to make the onboarding files", Duration::from_secs(30), || {
        let mut command = kube.host().command(tools.path("istioctl")?);
        command.arg("--kubeconfig").arg(kube.kubeconfig()).args(["x", "workload", "entry", "configure"]);
        command.arg("-f").arg(&file).arg("-o").arg(&bundle);
        command
            .args(["--clusterID", "Kubernetes", "--autoregister", "--ingressIP"])
            .arg(kube.host().address.to_string());
        let output = command.output()?;
        match output.status.success() {
            true => Ok(Some(())),
            false => Err(String::from_utf8_lossy(&output.stderr).into()),
        }
    })?;
    Ok(bundle)
}

/// The places where the agent looks when it is not in a container, below its working directory.
fn lay_out_root(tools: &Tools, bundle: &Path, root: &Path) -> Result<()> {
    let template = tools.istio_folder()?.join("tools/packaging/common/envoy_bootstrap.json");
    let files = [
        (bundle.join("mesh.yaml"), "etc/istio/config/mesh"),
        (bundle.join("istio-token"), "var/run/secrets/tokens/istio-token"),
        (bundle.join("root-cert.pem"), "var/run/secrets/istio/root-cert.pem"),
        (bundle.join("root-cert.pem"), "etc/certs/root-cert.pem"),
        (template, "var/lib/istio/envoy/envoy_bootstrap_tmpl.json"),
    ];
    for (from, to) in files {
        let to = root.join(to);
        std::fs::create_dir_all(to.parent().unwrap_or(root))?;
        std::fs::copy(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
    }
    std::fs::create_dir_all(root.join("etc/istio/proxy"))?;
    Ok(())
}

fn agent_command(tools: &Tools, host: &Host, root: &Path, bundle: &Path, spec: &WorkloadSpec) -> Result<Command> {
    let proxy = match &spec.proxy {
        Proxy::Outrigger => tools.outrigger()?,
        Proxy::Envoy => tools.path("envoy")?.to_owned(),
        Proxy::Program(path) => path.clone(),
    };
    let mut command = host.command(tools.path("pilot-agent")?);
    command.current_dir(root);
    command.envs(cluster_environment(&std::fs::read_to_string(bundle.join("cluster.env"))?));
    command.env("INSTANCE_IP", host.address.to_string()).env("POD_NAME", format!("{}-vm", spec.name));
    command.env("ISTIO_META_INTERCEPTION_MODE", "NONE").env("ISTIO_META_DNS_CAPTURE", "false");
    command.env("CA_ADDR", "istiod.istio-system.svc:15012");
    command.env("PROXY_CONFIG", serde_json::json!({"binaryPath": proxy, "concurrency": 1}).to_string());
    command.envs(spec.environment.iter().map(|(key, value)| (key, value)));
    command.args(["proxy", "sidecar", "--domain", "bookinfo.svc.cluster.local", "--proxyLogLevel", "warning"]);
    Ok(command)
}

/// `KEY='VALUE'` lines, as `cluster.env` has them for a shell.
fn cluster_environment(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.trim_matches('\'').to_owned())).collect()
}
