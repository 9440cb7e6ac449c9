//! Outrigger on both sides under istiod's own defaults, as in production.

mod mesh;

use outrigger_integration::lab::istiod::Settings;
use outrigger_integration::lab::workload::Proxy;

fn main() {
    mesh::run(mesh::Pair { client: Proxy::Outrigger, server: Proxy::Outrigger, settings: Settings::defaults() });
}
