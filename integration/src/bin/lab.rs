//! `outrigger-lab`: the mesh of the tests, up until Ctrl-C, for looking around by hand.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use outrigger_integration::lab::istiod::Settings;
use outrigger_integration::lab::tools::Tools;
use outrigger_integration::lab::workload::{Proxy, WorkloadSpec};
use outrigger_integration::lab::{Lab, Result};
use proxy::cli::say;

const BOOKINFO: &str = include_str!("../../objects/bookinfo.yaml");

/// Starts etcd, kube-apiserver, istiod, and the workloads `ratings` (calls) and `details` (answers), and keeps them up.
#[derive(Parser)]
#[command(name = "outrigger-lab")]
struct Arguments {
    /// The proxy beside `ratings`
    #[arg(value_enum, default_value = "outrigger")]
    client: Kind,
    /// The proxy beside `details`
    #[arg(value_enum, default_value = "outrigger")]
    server: Kind,
    /// Without Istio's own filters, which stock Envoy does not have (needed with Envoy on either side)
    #[arg(long)]
    stock_envoy: bool,
    /// Files with further objects to apply
    #[arg(long)]
    apply: Vec<std::path::PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Outrigger,
    Envoy,
}

impl From<Kind> for Proxy {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Outrigger => Self::Outrigger,
            Kind::Envoy => Self::Envoy,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let app = std::env::current_exe()?.with_file_name("outrigger-lab-app");
    let stock = arguments.stock_envoy || arguments.client == Kind::Envoy || arguments.server == Kind::Envoy;
    let lab = Lab::start(Tools::find(&app)?, if stock { Settings::stock_envoy() } else { Settings::defaults() })?;
    lab.apply(BOOKINFO)?;
    for file in &arguments.apply {
        lab.apply(&std::fs::read_to_string(file)?)?;
    }
    let mut workloads = Vec::new();
    for (group, last, kind) in [("ratings", 2, arguments.client), ("details", 3, arguments.server)] {
        let mut workload = lab.workload(WorkloadSpec::new(group, last, BOOKINFO, kind.into()))?;
        workload.start_app("http", &["http", group, "127.0.0.1:9080"])?;
        match workload.wait_ready(Duration::from_secs(20)) {
            Ok(()) => say(format_args!("{group} is ready")),
            Err(error) => say(format_args!("{group}: {error}")),
        }
        say(format_args!("  shell: ip netns exec {} bash", workload.host.namespace()));
        workloads.push(workload);
    }
    say("try, in the shell of ratings:");
    say("  curl -si --resolve details.bookinfo:9080:127.0.0.2 http://details.bookinfo:9080/details/0");
    say(format_args!(
        "logs: {}/*.log   objects: kubectl --kubeconfig {}",
        lab.folder().display(),
        lab.kube.kubeconfig().display()
    ));
    say("Ctrl-C ends it all");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
