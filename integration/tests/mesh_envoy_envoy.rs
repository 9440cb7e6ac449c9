//! The control run: what two stock Envoys do is what the other pairs are held to.

mod mesh;

use outrigger_integration::lab::istiod::Settings;
use outrigger_integration::lab::workload::Proxy;

fn main() {
    mesh::run(mesh::Pair { client: Proxy::Envoy, server: Proxy::Envoy, settings: Settings::stock_envoy() });
}
