//! A small mesh as plain data: services, the workloads behind them, and each workload's sidecar ports.
//!
//! Filled in by tests and the demo, read by the resource generator. Must never know xDS.

use std::net::{IpAddr, SocketAddr};

/// Everything that the control plane knows.
#[derive(Debug, Clone)]
pub struct Mesh {
    /// The trust domain of every identity.
    pub trust_domain: String,
    /// Services that egress listeners lead to.
    pub services: Vec<Service>,
    /// Workloads, each with a sidecar.
    pub workloads: Vec<Workload>,
    /// Whether sidecars write Istio's access log line to their standard output.
    pub access_log: bool,
    /// Whether the filter `istio.stats` is sent, as it is when a Prometheus provider is configured (Helm's default).
    pub metrics: bool,
    /// Whether Istio's own filters are sent. Without them a stock Envoy accepts everything, as it does under an istiod that
    /// is told to leave them out.
    pub istio_filters: bool,
}

impl Mesh {
    /// An empty mesh of the trust domain `cluster.local`, with access logs and metrics; without Istio's own filters if
    /// the environment has `OUTRIGGER_EMBEDDED_STOCK`, so that `OUTRIGGER_BIN` may name a stock Envoy.
    pub fn new() -> Self {
        Self {
            trust_domain: "cluster.local".into(),
            services: Vec::new(),
            workloads: Vec::new(),
            access_log: true,
            metrics: true,
            istio_filters: std::env::var_os("OUTRIGGER_EMBEDDED_STOCK").is_none(),
        }
    }

    /// With one more service.
    pub fn service(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// With one more workload.
    pub fn workload(mut self, workload: Workload) -> Self {
        self.workloads.push(workload);
        self
    }

    /// A workload by its name.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn find(&self, name: &str) -> &Workload {
        self.workloads.iter().find(|workload| workload.name == name).expect("the test named its workloads")
    }

    /// A workload by its name, to be changed.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn find_mut(&mut self, name: &str) -> &mut Workload {
        self.workloads.iter_mut().find(|workload| workload.name == name).expect("the test named its workloads")
    }

    /// A service by its name, to be changed.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn service_mut(&mut self, name: &str) -> &mut Service {
        self.services.iter_mut().find(|service| service.name == name).expect("the test named its services")
    }

    /// `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT` of a workload.
    pub fn identity(&self, workload: &Workload) -> String {
        format!("spiffe://{}/ns/{}/sa/{}", self.trust_domain, workload.namespace, workload.service_account)
    }
}

impl Default for Mesh {
    fn default() -> Self {
        Self::new()
    }
}

/// A Kubernetes Service, or a ServiceEntry.
#[derive(Debug, Clone)]
pub struct Service {
    /// Short name; the host is `NAME.NAMESPACE.svc.cluster.local` unless `host` says otherwise.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// A host of its own, for a ServiceEntry.
    pub host: Option<String>,
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// The `app` label of the workloads behind it, if that is not its own name.
    pub backed_by: Option<String>,
    /// Endpoints without a sidecar, beside those that workloads give.
    pub plain_endpoints: Vec<(u16, SocketAddr)>,
    /// Those of them that EDS calls unhealthy.
    pub unhealthy: Vec<SocketAddr>,
}

/// One port of a service.
#[derive(Debug, Clone, Copy)]
pub struct ServicePort {
    /// The port number in the service's address.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

impl Service {
    /// A service in the namespace `bookinfo`, without ports.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            namespace: "bookinfo".into(),
            host: None,
            ports: Vec::new(),
            backed_by: None,
            plain_endpoints: Vec::new(),
            unhealthy: Vec::new(),
        }
    }

    /// With one more port.
    pub fn port(mut self, number: u16, protocol: Protocol) -> Self {
        self.ports.push(ServicePort { number, protocol });
        self
    }

    /// With one more endpoint, reached without TLS.
    pub fn plain_endpoint(mut self, port: u16, address: SocketAddr) -> Self {
        self.plain_endpoints.push((port, address));
        self
    }

    /// With the workloads of another `app` label behind it.
    pub fn backed_by(mut self, app: &str) -> Self {
        self.backed_by = Some(app.into());
        self
    }

    /// Whether a workload is behind it.
    pub fn selects(&self, workload: &Workload) -> bool {
        workload.app == *self.backed_by.as_ref().unwrap_or(&self.name)
    }

    /// The fully qualified host.
    pub fn host(&self) -> String {
        self.host.clone().unwrap_or_else(|| format!("{}.{}.svc.cluster.local", self.name, self.namespace))
    }
}

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 towards the application.
    Http,
    /// HTTP/2 towards the application.
    Http2,
    /// Opaque bytes.
    Tcp,
    /// Egress only: an `http_proxy` port.
    HttpProxy,
}

/// What an ingress port takes from clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mtls {
    /// Mesh TLS and plaintext.
    Permissive,
    /// Mesh TLS alone.
    Strict,
    /// Plaintext alone.
    Disable,
}

/// An application with a sidecar beside it.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Its name, as in the node id.
    pub name: String,
    /// The `app` label; endpoints of the service of the same name.
    pub app: String,
    /// Namespace.
    pub namespace: String,
    /// Service account, the last part of the identity.
    pub service_account: String,
    /// The host's address, where ingress listeners bind.
    pub address: IpAddr,
    /// Inbound ports.
    pub ingress: Vec<Ingress>,
    /// Outbound listeners.
    pub egress: Vec<Egress>,
    /// For every ingress port.
    pub mtls: Mtls,
}

/// One Sidecar ingress entry.
#[derive(Debug, Clone, Copy)]
pub struct Ingress {
    /// The port to bind on the workload's address.
    pub port: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// The application (`defaultEndpoint`).
    pub target: SocketAddr,
    /// The service port that leads here.
    pub service_port: u16,
}

/// One Sidecar egress entry.
#[derive(Debug, Clone, Copy)]
pub struct Egress {
    /// The address to bind.
    pub bind: IpAddr,
    /// The port to bind.
    pub port: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

impl Workload {
    /// A workload of the namespace `bookinfo` with the service account `bookinfo-APP`; PERMISSIVE.
    pub fn new(app: &str, address: IpAddr) -> Self {
        Self {
            name: format!("{app}-vm"),
            app: app.into(),
            namespace: "bookinfo".into(),
            service_account: format!("bookinfo-{app}"),
            address,
            ingress: Vec::new(),
            egress: Vec::new(),
            mtls: Mtls::Permissive,
        }
    }

    /// With one more inbound port: `service_port` of the service leads to `port` here, and from there to `target`.
    pub fn ingress(mut self, service_port: u16, protocol: Protocol, port: u16, target: SocketAddr) -> Self {
        self.ingress.push(Ingress { port, protocol, target, service_port });
        self
    }

    /// With one more outbound listener.
    pub fn egress(mut self, bind: IpAddr, port: u16, protocol: Protocol) -> Self {
        self.egress.push(Egress { bind, port, protocol });
        self
    }
}
