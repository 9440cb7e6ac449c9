//! Stock Envoy calls, Outrigger answers: the wire must be what Envoy expects of a server's sidecar.

mod mesh;

use outrigger_integration::lab::istiod::Settings;
use outrigger_integration::lab::workload::Proxy;

fn main() {
    mesh::run(mesh::Pair { client: Proxy::Envoy, server: Proxy::Outrigger, settings: Settings::stock_envoy() });
}
