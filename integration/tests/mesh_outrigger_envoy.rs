//! Outrigger calls, stock Envoy answers: the wire must be what Envoy expects of a client's sidecar.

mod mesh;

use outrigger_integration::lab::istiod::Settings;
use outrigger_integration::lab::workload::Proxy;

fn main() {
    mesh::run(mesh::Pair { client: Proxy::Outrigger, server: Proxy::Envoy, settings: Settings::stock_envoy() });
}
