//! RTDS: layers of the runtime that control planes send, over ADS or streams of their own. Called by the control loop.
//!
//! The start waits for them, each for its `initial_fetch_timeout`, before anything else is asked for, as with Envoy. One that is refused
//! leaves the one before, and nobody waits for it any longer; one that is gone is empty.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::bootstrap::RtdsLayer;
use config::runtime::of_xds;
use tokio::sync::mpsc;
use xds_client::{AdsClient, AdsHandle, AdsSettings, Event, Rejected, Subscription, Update, Verdict, type_url};

use super::{Named, each};
use crate::layers::Layers;
use crate::stats::{DiscoveryStats, Stats};

/// The layers that are asked for.
pub struct Runtimes {
    layers: Arc<Layers>,
    asked: Vec<Asked>,
    counts: Option<DiscoveryStats>,
    /// What streams of their own have said, with the place in `asked`.
    events: mpsc::UnboundedReceiver<(usize, Event)>,
    sender: mpsc::UnboundedSender<(usize, Event)>,
}

struct Asked {
    layer: Arc<str>,
    resource: Arc<str>,
    /// The settings of its stream; none: it is asked for over ADS.
    server: Option<AdsSettings>,
    handle: Option<AdsHandle>,
    waits: Waits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    No,
    ForEver,
    Until(Instant),
}

impl Runtimes {
    /// Those that the bootstrap names. `resolve` says how a server of its own is reached.
    ///
    /// # Errors
    /// A server cannot be reached.
    pub fn new(
        layers: Arc<Layers>,
        stats: &Arc<Stats>,
        resolve: impl Fn(&config::xds_server::XdsServer) -> Result<AdsSettings, String>,
    ) -> Result<Runtimes, String> {
        let one = |(layer, rtds): (&Arc<str>, &RtdsLayer)| {
            let server = rtds.server.as_ref().map(|server| resolve(server)).transpose();
            Ok(Asked {
                layer: layer.clone(),
                resource: rtds.name.clone(),
                server: server.map_err(|reason| format!("layered_runtime: layer '{layer}': {reason}"))?,
                handle: None,
                waits: rtds.initial_fetch_timeout.map_or(Waits::ForEver, |time| Waits::Until(Instant::now() + time)),
            })
        };
        let asked = layers.discovered().map(one).collect::<Result<Vec<_>, String>>()?;
        let counts = (!asked.is_empty()).then(|| DiscoveryStats::new(stats, "runtime"));
        let (sender, events) = mpsc::unbounded_channel();
        Ok(Runtimes { layers, asked, counts, events, sender })
    }

    /// Asks for all of them.
    pub fn begin(&mut self, ads: Option<&AdsHandle>) {
        let over_ads: BTreeSet<String> =
            self.asked.iter().filter(|asked| asked.server.is_none()).map(|asked| asked.resource.to_string()).collect();
        if let Some(ads) = ads.filter(|_| !over_ads.is_empty()) {
            ads.subscribe(type_url::RUNTIME, Subscription::Names(over_ads));
        }
        for (index, asked) in self.asked.iter_mut().enumerate() {
            self.counts.iter().for_each(DiscoveryStats::begun);
            let Some(settings) = asked.server.clone() else { continue };
            let (handle, mut events) = AdsClient::spawn_runtime(settings);
            handle.subscribe(type_url::RUNTIME, Subscription::Names([asked.resource.to_string()].into()));
            asked.handle = Some(handle);
            let sender = self.sender.clone();
            tokio::spawn(async move {
                while let Some(event) = events.next().await {
                    if sender.send((index, event)).is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// What a stream of its own says next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> (usize, Event) {
        match self.events.recv().await {
            Some(event) => event,
            // Never: the sender is here.
            None => std::future::pending().await,
        }
    }

    /// Takes it.
    pub fn arrived(&mut self, (index, event): (usize, Event)) {
        match event {
            Event::Connected => {}
            Event::Disconnected { reason, retry_in } => {
                if let Some(counts) = &self.counts {
                    counts.failed();
                }
                let resource = &self.asked[index].resource;
                tracing::warn!(
                    target: "runtime",
                    "no answer for the runtime '{resource}': {reason}; the next attempt is in {} ms",
                    retry_in.as_millis()
                );
            }
            Event::Update(update) => {
                let verdict = self.take(&update, |at, _| at == index);
                if let Some(handle) = &self.asked[index].handle {
                    handle.verdict(update.id, verdict);
                }
            }
        }
    }

    /// The stream of ADS ended, or could not be opened.
    pub fn stream_ended(&self) {
        for _ in self.asked.iter().filter(|asked| asked.server.is_none()) {
            self.counts.iter().for_each(DiscoveryStats::failed);
        }
    }

    /// Takes a response of ADS.
    pub fn update(&mut self, update: &Update) -> Verdict {
        self.take(update, |_, asked| asked.server.is_none())
    }

    fn take(&mut self, update: &Update, meant: impl Fn(usize, &Asked) -> bool) -> Verdict {
        let begun = Instant::now();
        let Runtimes { layers, asked, .. } = self;
        let mut mine: Vec<&mut Asked> =
            asked.iter_mut().enumerate().filter(|(at, one)| meant(*at, one)).map(|(_, one)| one).collect();
        let verdict = each(update, Named::AsAskedFor("RTDS runtime"), |name, stored| {
            let entries = of_xds(&stored.body).map(|found| found.entries).map_err(|rejection| rejection.to_string());
            for one in mine.iter_mut().filter(|one| one.resource == *name) {
                one.waits = Waits::No;
                if let Ok(entries) = &entries {
                    layers.discover(&one.layer, entries.clone());
                }
            }
            entries.map(drop)
        });
        for one in mine {
            if update.removed.iter().any(|name| **name == *one.resource) {
                one.waits = Waits::No;
                layers.discover(&one.layer, Default::default());
            }
            if update.refused.iter().any(|(resource, _)| *resource.name == *one.resource) {
                one.waits = Waits::No;
            }
        }
        if let Err(refused) = &verdict {
            refused.iter().for_each(|Rejected { name, reason }| {
                tracing::error!(target: "runtime", "the runtime '{name}' is refused, the one before it stays: {reason}");
            });
        }
        if let Some(counts) = &self.counts {
            match &verdict {
                Ok(()) => counts.succeeded(&update.version, begun.elapsed()),
                Err(_) => counts.rejected(),
            }
        }
        verdict
    }

    /// Those that nobody sent in time are waited for no longer.
    pub fn give_up_waiting(&mut self) {
        let now = Instant::now();
        for asked in &mut self.asked {
            if matches!(asked.waits, Waits::Until(until) if until <= now) {
                asked.waits = Waits::No;
                self.counts.iter().for_each(DiscoveryStats::timed_out);
                tracing::warn!(target: "runtime", "the runtime '{}' has not come in time; it is not waited for any more", asked.resource);
            }
        }
    }

    /// How long until the first of these waits is over; `None`: none is waited for.
    pub fn next_timeout(&self) -> Option<Duration> {
        let left = self.asked.iter().filter_map(|asked| match asked.waits {
            Waits::No => None,
            // It is looked at again then.
            Waits::ForEver => Some(Duration::from_secs(3600)),
            Waits::Until(until) => Some(until.saturating_duration_since(Instant::now())),
        });
        left.min()
    }
}

#[cfg(test)]
mod tests;
