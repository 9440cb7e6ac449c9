//! The overload manager: looks at memory again and again, and has done what the bootstrap says when there is too little of it. A task of the
//! control thread; what workers ask are `overload` and `listener::limit`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::bootstrap::{Overload, Remedy, ShedAt, Trigger, Watched};
use tokio::time::Instant;

use crate::cli::process;
use crate::overload::{self, Act};
use crate::stats::{Counter, Gauge, Histogram, Stats};
use crate::{admin, listener};

/// Memory is given back no more often: Envoy's default.
const SHRINK: Duration = Duration::from_secs(10);

/// Watches until the process ends.
pub async fn watch(config: Overload, stats: Arc<Stats>) {
    let mut state = State::new(&config, &stats);
    overload::shorten(config.timers.clone());
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
        let pressures: Vec<Option<f64>> = config.monitors.iter().map(|monitor| pressure(&monitor.watched)).collect();
        for (remedy, share) in state.look(&config, &pressures) {
            if remedy == Remedy::ShrinkHeap && share == 1.0 {
                if shrunk.is_some_and(|at: Instant| at.elapsed() < SHRINK) {
                    continue;
                }
                shrunk = Some(Instant::now());
            }
            apply(remedy, share);
        }
        let looked = Instant::now();
        tokio::time::sleep(config.interval).await;
        state.delay.record(u64::try_from(looked.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
}

/// The share of a resource that is used; `None`: nobody can say.
fn pressure(watched: &Watched) -> Option<f64> {
    let share = |used: u64, most: u64| used as f64 / most.max(1) as f64;
    match watched {
        Watched::Heap(most) => Some(share(admin::memory::sizes()[0], *most)),
        Watched::Group(most) => {
            let (used, limit) = process::group_memory(Path::new("/"))?;
            Some(share(used, limit.into_iter().chain(*most).min().unwrap_or(u64::MAX)))
        }
        Watched::File(path) => {
            let text = std::fs::read_to_string(&**path).ok()?;
            text.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share))
        }
    }
}

fn apply(remedy: Remedy, share: f64) {
    match remedy {
        // All or nothing.
        Remedy::StopAccepting => listener::limit::stop_accepting(share == 1.0),
        Remedy::ShrinkHeap if share == 1.0 => crate::sys::trim_memory(),
        Remedy::ShrinkHeap => {}
        Remedy::Reject => overload::set(Act::Reject, share),
        Remedy::DisableKeepalive => overload::set(Act::EndKeepalive, share),
        Remedy::StopRequests => overload::set(Act::StopRequests, share),
        Remedy::ReduceTimeouts => overload::set_shortened(share),
    }
}

/// What is done now, and the statistics about it.
struct State {
    actions: Vec<Action>,
    points: Vec<(f64, Gauge)>,
    monitors: Vec<Monitored>,
    delay: Histogram,
}

struct Action {
    /// How far it is done, from 0 to 1.
    share: f64,
    active: Gauge,
    percent: Gauge,
}

struct Monitored {
    /// What it was when somebody could say.
    pressure: f64,
    shown: Gauge,
    failed: Counter,
}

impl State {
    fn new(config: &Overload, stats: &Arc<Stats>) -> State {
        let gauge = |name: &str, what: &str| {
            let gauge = stats.gauge(&format!("overload.{name}.{what}"));
            gauge.set(0);
            gauge
        };
        let counter = |name: &str, what: &str| stats.counter(&format!("overload.{name}.{what}"));
        for point in &config.points {
            overload::count(act(point.at), counter(&point.name, "shed_load_count"));
        }
        State {
            actions: config
                .actions
                .iter()
                .map(|action| Action {
                    share: 0.0,
                    active: gauge(&action.name, "active"),
                    percent: gauge(&action.name, "scale_percent"),
                })
                .collect(),
            points: config.points.iter().map(|point| (0.0, gauge(&point.name, "scale_percent"))).collect(),
            monitors: config
                .monitors
                .iter()
                .map(|monitor| {
                    // Nothing is looked at twice at a time here.
                    counter(&monitor.name, "skipped_updates");
                    Monitored {
                        pressure: 0.0,
                        shown: gauge(&monitor.name, "pressure"),
                        failed: counter(&monitor.name, "failed_updates"),
                    }
                })
                .collect(),
            delay: stats.histogram("overload.refresh_interval_delay"),
        }
    }

    /// What is to be done anew, and how far. Memory is given back each time while that is to be. Load is shed at once.
    fn look(&mut self, config: &Overload, pressures: &[Option<f64>]) -> Vec<(Remedy, f64)> {
        for (monitored, pressure) in self.monitors.iter_mut().zip(pressures) {
            match pressure {
                Some(pressure) => monitored.pressure = *pressure,
                None => monitored.failed.inc(),
            }
            monitored.shown.set((monitored.pressure * 100.0).round() as u64);
        }
        let pressure = |trigger: &Trigger| {
            let place = config.monitors.iter().position(|monitor| monitor.name == trigger.monitor);
            // Connections are a number that is looked at where they are accepted.
            place.map_or(0.0, |place| self.monitors[place].pressure)
        };
        let most =
            |triggers: &[Trigger]| triggers.iter().map(|trigger| trigger.state(pressure(trigger))).fold(0.0, f64::max);
        let mut changes = Vec::new();
        for (action, state) in config.actions.iter().zip(&mut self.actions) {
            let share = most(&action.triggers);
            let (was, is) = (state.share == 1.0, share == 1.0);
            if was != is {
                let words = if is { "begins" } else { "is over" };
                tracing::warn!(target: "main", "overload: {} {words}", action.name);
            }
            if share != state.share || (is && action.remedy == Remedy::ShrinkHeap) {
                changes.push((action.remedy, share));
            }
            state.share = share;
            state.active.set(is.into());
            state.percent.set((share * 100.0).round() as u64);
        }
        for (point, (share, percent)) in config.points.iter().zip(&mut self.points) {
            let now = most(&point.triggers);
            if now != *share {
                overload::set(act(point.at), now);
            }
            *share = now;
            percent.set((now * 100.0).round() as u64);
        }
        changes
    }
}

fn act(place: ShedAt) -> Act {
    match place {
        ShedAt::Accept => Act::ShedAccept,
        ShedAt::Request => Act::ShedRequest,
        ShedAt::Codec => Act::ShedCodec,
        ShedAt::Router => Act::ShedRouter,
    }
}

#[cfg(test)]
mod tests;
