//! The overload manager: looks at memory again and again, and has done what the bootstrap says when there is too little of it. A task of the
//! control thread; what workers ask are flags (`listener::limit`, `drain`).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::bootstrap::{Overload, Remedy, Watched};
use tokio::time::Instant;

use crate::cli::process;
use crate::stats::{Gauge, Stats};
use crate::{admin, drain, listener};

/// Memory is given back no more often: Envoy's default.
const SHRINK: Duration = Duration::from_secs(10);

/// Watches until the process ends.
pub async fn watch(config: Overload, stats: Arc<Stats>) {
    let mut state = State::new(&config, &stats);
    let mut shrunk = None;
    for monitor in &config.monitors {
        if matches!(monitor.watched, Watched::Group(_)) && process::group_memory(Path::new("/")).is_none() {
            tracing::warn!(
                target: "main",
                "overload: the monitor '{}' sees nothing, for the system does not say how much memory the control group uses; take \
                 fixed_heap",
                monitor.name
            );
        }
    }
    loop {
        let pressures: Vec<(Arc<str>, f64)> =
            config.monitors.iter().map(|monitor| (monitor.name.clone(), pressure(monitor.watched))).collect();
        for (remedy, on) in state.look(&config, &pressures) {
            if remedy == Remedy::ShrinkHeap && on {
                if shrunk.is_some_and(|at: Instant| at.elapsed() < SHRINK) {
                    continue;
                }
                shrunk = Some(Instant::now());
            }
            apply(remedy, on);
        }
        tokio::time::sleep(config.interval).await;
    }
}

/// The share of a resource that is used.
fn pressure(watched: Watched) -> f64 {
    let share = |used: u64, most: u64| used as f64 / most.max(1) as f64;
    match watched {
        Watched::Heap(most) => share(admin::memory::sizes()[0], most),
        Watched::Group(most) => match process::group_memory(Path::new("/")) {
            Some((used, limit)) => share(used, limit.into_iter().chain(most).min().unwrap_or(u64::MAX)),
            None => 0.0,
        },
    }
}

fn apply(remedy: Remedy, on: bool) {
    match remedy {
        Remedy::StopAccepting => listener::limit::stop_accepting(on),
        Remedy::Reject => listener::limit::reject(on),
        Remedy::DisableKeepalive => drain::disable_keepalive(on),
        Remedy::ShrinkHeap if on => crate::sys::trim_memory(),
        Remedy::ShrinkHeap => {}
    }
}

/// What is done now, and the statistics about it.
struct State {
    active: Vec<(bool, Gauge)>,
    pressures: Vec<Gauge>,
}

impl State {
    fn new(config: &Overload, stats: &Arc<Stats>) -> State {
        let gauge = |name: &str, what: &str| {
            let gauge = stats.gauge(&format!("overload.{name}.{what}"));
            gauge.set(0);
            gauge
        };
        State {
            active: config.actions.iter().map(|action| (false, gauge(&action.name, "active"))).collect(),
            pressures: config.monitors.iter().map(|monitor| gauge(&monitor.name, "pressure")).collect(),
        }
    }

    /// What is to be switched on or off. Memory is given back each time while that is to be.
    fn look(&mut self, config: &Overload, pressures: &[(Arc<str>, f64)]) -> Vec<(Remedy, bool)> {
        for (gauge, (_, pressure)) in self.pressures.iter().zip(pressures) {
            gauge.set((pressure * 100.0) as u64);
        }
        let mut changes = Vec::new();
        for (action, (active, gauge)) in config.actions.iter().zip(&mut self.active) {
            let fires = |(monitor, from): &(Arc<str>, f64)| {
                pressures.iter().any(|(name, pressure)| name == monitor && pressure >= from)
            };
            let on = action.triggers.iter().any(fires);
            if on != *active {
                let words = if on { "begins" } else { "is over" };
                tracing::warn!(target: "main", "overload: {} {words}", action.name);
                *active = on;
                gauge.set(on.into());
                changes.push((action.remedy, on));
            } else if on && action.remedy == Remedy::ShrinkHeap {
                changes.push((action.remedy, true));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests;
