//! `outrigger-lab-app`: the applications of the mesh lab in one program, so that `ip netns exec` can run each on its host.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use outrigger_integration::apps;

/// Applications for tests. Each writes what it saw to standard output, one JSON object a line.
#[derive(Parser)]
#[command(name = "outrigger-lab-app")]
struct Arguments {
    #[command(subcommand)]
    app: App,
}

#[derive(Subcommand)]
enum App {
    /// HTTP/1 and h2c server
    Http { name: String, listen: SocketAddr },
    /// TCP server that sends back what it gets
    Echo {
        name: String,
        listen: SocketAddr,
        /// What it says first
        #[arg(long)]
        greeting: Option<String>,
    },
    /// HTTPS server with a self-signed certificate for the given names
    Tls {
        name: String,
        listen: SocketAddr,
        /// Where to write the certificate
        #[arg(long)]
        certificate: PathBuf,
        names: Vec<String>,
    },
    /// Authorization (ext_authz over gRPC and HTTP) and a stream (ext_proc), for a proxy to call
    Service {
        name: String,
        listen: SocketAddr,
        /// What it does with every request
        #[arg(long, value_enum, default_value = "ok")]
        mode: apps::service::Mode,
    },
    /// Name server that never answers
    MuteDns { listen: SocketAddr },
    /// TCP client that follows a script of say=TEXT and hear=TEXT, ends its direction, and prints all that came
    Talk { target: SocketAddr, script: Vec<String> },
    /// Remove the network namespaces that killed test runs left behind
    Sweep,
    /// HTTP client that sends requests until SIGTERM
    Load {
        target: SocketAddr,
        host: String,
        path: String,
        #[arg(long, default_value_t = 4)]
        connections: usize,
        /// What answers must have
        #[arg(long, default_value_t = 200)]
        status: u16,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match Arguments::parse().app {
        App::Http { name, listen } => apps::http::serve(name, listen).await?,
        App::Echo { name, listen, greeting } => apps::echo::serve(name, listen, greeting).await?,
        App::Tls { name, listen, certificate, names } => apps::tls::serve(name, listen, names, &certificate).await?,
        App::Service { name, listen, mode } => apps::service::serve(name, listen, mode).await?,
        App::MuteDns { listen } => apps::mute_dns::serve(listen).await?,
        App::Talk { target, script } => {
            std::io::stdout().write_all(apps::echo::talk(target, &script).await?.as_bytes())?;
        }
        App::Sweep => outrigger_integration::lab::net::Network::sweep_leftovers()?,
        App::Load { target, host, path, connections, status } => {
            apps::load::run(target, host, path, connections, status).await?
        }
    }
    Ok(())
}
