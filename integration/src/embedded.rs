//! The embedded mesh: an application behind one sidecar, a client beside another, the embedded control plane above both,
//! and two real `outrigger` processes between. No Go, no root, no network but loopback.
//!
//! Tests and the demo start one. A feature's test is: start, change the mesh or edit a resource, send a request, look.
//! Must never use a fixed port but where the demo asks for one.

pub mod app;
pub mod binary;
pub mod bound;
pub mod client;
pub mod mesh_client;
pub mod ports;
pub mod sidecar;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use self::app::App;
use self::client::{Reply, Request};
use self::ports::{Ports, free, loopback};
use self::sidecar::{Launch, Sidecar};
use crate::control_plane::ControlPlane;
use crate::control_plane::bootstrap::AdsProtocol;
use crate::control_plane::model::{Mesh, Protocol, Service, Workload};

/// Name of the client's workload.
pub const RATINGS: &str = "ratings-vm";
/// Name of the serving workload.
pub const DETAILS: &str = "details-vm";

/// Ratings calls details, each with a sidecar. The service `details` has the HTTP port 9080.
pub struct EmbeddedMesh {
    /// The control plane; it knows the workloads [`RATINGS`] and [`DETAILS`].
    pub control_plane: ControlPlane,
    /// The sidecar beside the client.
    pub ratings: Sidecar,
    /// The sidecar before the application.
    pub details: Sidecar,
    /// The application of details.
    pub app: App,
    /// Where ratings sends its requests: its egress listener.
    pub egress: SocketAddr,
    /// Where details is reached: its ingress listener.
    pub ingress: SocketAddr,
}

/// How an embedded mesh differs from the usual one.
pub struct Options {
    /// Changes the mesh before anything starts.
    pub mesh: Box<dyn FnOnce(&mut Mesh)>,
    /// Delta or state of the world.
    pub protocol: AdsProtocol,
    /// Where things are bound.
    pub addresses: Addresses,
    /// How both proxies are started.
    pub launch: Launch<'static>,
    /// Done with the control plane before the first proxy asks it.
    pub before: Box<dyn FnOnce(&ControlPlane)>,
}

/// The addresses of the mesh.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The egress listener of ratings.
    pub egress: SocketAddr,
    /// The ingress listener of details.
    pub ingress: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        // Addresses of this process's own within 127.0.0.0/8, so that listeners of two tests never meet.
        let addresses = Addresses { egress: ports::free(loopback()), ingress: ports::free(loopback()) };
        Self {
            mesh: Box::new(|_| {}),
            protocol: AdsProtocol::Delta,
            addresses,
            launch: Launch::default(),
            before: Box::new(|_| {}),
        }
    }
}

impl EmbeddedMesh {
    /// The usual mesh, ready for requests.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// The usual mesh with a change, ready for requests.
    pub async fn start_changed(change: impl FnOnce(&mut Mesh) + 'static) -> Self {
        Self::start_with(Options { mesh: Box::new(change), ..Options::default() }).await
    }

    /// The usual mesh with a change and a service `db` of details: TCP, port 3306, and `application` behind it. With it, where ratings
    /// connects to that and where details takes it.
    pub async fn start_with_tcp(
        application: SocketAddr,
        change: impl FnOnce(&mut Mesh) + 'static,
    ) -> (Self, [SocketAddr; 2]) {
        let options = Options::default();
        let (egress, ingress) = (free(loopback()), free(options.addresses.ingress.ip()));
        let with_service = move |mesh: &mut Mesh| {
            mesh.services.push(Service::new("db").port(3306, Protocol::Tcp).backed_by("details"));
            let ratings = mesh.find(RATINGS).clone();
            *mesh.find_mut(RATINGS) = ratings.egress(egress.ip(), egress.port(), Protocol::Tcp);
            let details = mesh.find(DETAILS).clone();
            *mesh.find_mut(DETAILS) = details.ingress(3306, Protocol::Tcp, ingress.port(), application);
            change(mesh);
        };
        let mesh = Self::start_with(Options { mesh: Box::new(with_service), ..options }).await;
        (mesh, [egress, ingress])
    }

    /// A mesh, ready for requests.
    pub async fn start_with(options: Options) -> Self {
        let mesh = Self::launch(options).await;
        mesh.ratings.wait_ready().await;
        mesh.details.wait_ready().await;
        mesh
    }

    /// A mesh whose sidecars may not be ready yet.
    pub async fn launch(options: Options) -> Self {
        let Addresses { egress, ingress } = options.addresses;
        let app = App::start("details").await;
        let mut mesh = Mesh::new()
            .service(Service::new("details").port(9080, Protocol::Http))
            .service(Service::new("ratings").port(9080, Protocol::Http))
            .workload(Workload::new("ratings", IpAddr::V4(Ipv4Addr::LOCALHOST)).egress(
                egress.ip(),
                egress.port(),
                Protocol::Http,
            ))
            .workload(Workload::new("details", ingress.ip()).ingress(
                9080,
                Protocol::Http,
                ingress.port(),
                app.address(),
            ));
        (options.mesh)(&mut mesh);
        let (ratings, details) = (mesh.find(RATINGS).clone(), mesh.find(DETAILS).clone());
        let control_plane = ControlPlane::start(mesh);
        (options.before)(&control_plane);
        let details = Sidecar::start(&control_plane, &details, Ports::free(), options.protocol, options.launch).await;
        let ratings = Sidecar::start(&control_plane, &ratings, Ports::free(), options.protocol, options.launch).await;
        Self { control_plane, ratings, details, app, egress, ingress }
    }

    /// What a client beside ratings gets from `http://details.bookinfo:9080PATH`.
    pub async fn get(&self, path: &str) -> Reply {
        Request::get(path).host("details.bookinfo:9080").send(self.egress).await
    }
}
