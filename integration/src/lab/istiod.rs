//! istiod in the control plane's namespace, under the settings of production or those that stock Envoy can follow.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::net::Host;
use super::process::Process;
use super::tools::Tools;
use super::{Result, curl, wait};

/// What istiod sends, and under which mesh configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    stock_envoy: bool,
    mesh: String,
}

const MESH: &str = "accessLogFile: /dev/stdout
outboundTrafficPolicy:
  mode: ALLOW_ANY
defaultConfig:
  discoveryAddress: istiod.istio-system.svc:15012
extensionProviders:
- name: asks-grpc
  envoyExtAuthzGrpc:
    service: authorizer.example
    port: 9080
- name: asks-http
  envoyExtAuthzHttp:
    service: authorizer.example
    port: 80
    pathPrefix: /checks
    headersToUpstreamOnAllow: [\"x-authorized-by\"]
";

const NO_METRICS: &str = "apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata:
  name: no-metrics
  namespace: istio-system
spec:
  metrics:
  - providers:
    - name: prometheus
    overrides:
    - disabled: true
";

const STOCK_ENVOY: &[(&str, &str)] = &[
    ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
    ("PILOT_ENABLE_ALPN_FILTER", "false"),
    ("PILOT_DISABLE_MX_ALPN", "true"),
];

impl Settings {
    /// istiod's own defaults, with all of Istio's filters: what production sends, and what stock Envoy rejects.
    pub fn defaults() -> Self {
        Self { stock_envoy: false, mesh: MESH.to_owned() }
    }

    /// Without the filters that are only in Istio's build of Envoy: metadata exchange, `istio.alpn`, `istio.stats`.
    pub fn stock_envoy() -> Self {
        Self { stock_envoy: true, ..Self::defaults() }
    }

    /// With another `MeshConfig`, as YAML.
    pub fn with_mesh(mesh: &str) -> Self {
        Self { mesh: mesh.to_owned(), ..Self::defaults() }
    }

    /// The objects that must be there before istiod starts.
    pub fn objects(&self) -> Vec<String> {
        let indented: String = self.mesh.lines().map(|line| format!("    {line}\n")).collect();
        let config_map = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: istio\n  namespace: istio-system\n\
             data:\n  mesh: |\n{indented}  meshNetworks: |\n    networks: {{}}\n"
        );
        let namespace = String::from("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: istio-system\n");
        let mut objects = vec![namespace, config_map];
        if self.stock_envoy {
            objects.push(NO_METRICS.to_owned());
        }
        objects
    }

    fn environment(&self) -> &'static [(&'static str, &'static str)] {
        if self.stock_envoy { STOCK_ENVOY } else { &[] }
    }
}

const ENVIRONMENT: &[(&str, &str)] = &[
    ("POD_NAMESPACE", "istio-system"),
    ("POD_NAME", "istiod-1"),
    ("REVISION", "default"),
    ("PILOT_CERT_PROVIDER", "istiod"),
    ("PILOT_ENABLE_WORKLOAD_ENTRY_AUTOREGISTRATION", "true"),
    ("PILOT_ENABLE_WORKLOAD_ENTRY_HEALTHCHECKS", "true"),
    ("INJECTION_WEBHOOK_CONFIG_NAME", ""),
    ("VALIDATION_WEBHOOK_CONFIG_NAME", ""),
];

/// istiod, running or stopped.
pub struct Istiod {
    process: Option<Process>,
    program: PathBuf,
    host: Host,
    folder: PathBuf,
    settings: Settings,
}

impl Istiod {
    /// Starts it on `host`, where the API server already runs, and waits until it calls itself ready.
    pub fn start(tools: &Tools, host: &Host, folder: &Path, settings: Settings, deadline: Duration) -> Result<Self> {
        let work = folder.join("istiod");
        std::fs::create_dir_all(&work)?;
        std::fs::write(work.join("mesh"), &settings.mesh)?;
        std::fs::write(work.join("networks"), "networks: {}\n")?;
        let program = tools.path("pilot-discovery")?.to_owned();
        let mut istiod = Self { process: None, program, host: host.clone(), folder: folder.to_owned(), settings };
        istiod.start_again(deadline)?;
        Ok(istiod)
    }

    /// Starts the process (again) and waits until it is ready.
    pub fn start_again(&mut self, deadline: Duration) -> Result<()> {
        let mut process = Process::spawn("istiod", &self.folder, self.command())?;
        wait::until_true("istiod to be ready", deadline, || {
            process.check_running()?;
            Ok(curl::curl(&self.host, &["http://127.0.0.1:8080/ready"])?.status == 200)
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends the process and waits for its end.
    pub fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.terminate().map(drop),
            None => Ok(()),
        }
    }

    fn command(&self) -> Command {
        let mut command = self.host.command(&self.program);
        command.current_dir(self.folder.join("istiod"));
        command.envs(ENVIRONMENT.iter().chain(self.settings.environment()).copied());
        command.arg("discovery").arg("--kubeconfig").arg(self.folder.join("kube/kubeconfig"));
        command.args(["--meshConfig", "mesh", "--networksConfig", "networks", "--shutdownDuration", "1s"]);
        command
    }
}
