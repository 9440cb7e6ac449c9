//! One response of the control plane: to whom it goes, what is answered, what is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Policy;
use config::tls::SecretId;
use xds_client::{Update, Verdict, type_url};

use super::Control;
use crate::http::route::RouteTable;
use crate::stats::DiscoveryStats;
use crate::store::Stored;
use crate::xds::audit::{self, Carrier};
use crate::xds::held::Seen;
use crate::xds::workloads::WORKLOAD;
use crate::xds::{Named, each, each_refused, tell_notes};

/// Octets of an update that leave something behind which is worth giving back to the system.
const WORTH_TRIMMING: usize = 64 * 1024;

impl Control {
    /// Applies a response and tells what was thought of it.
    pub(in crate::xds) fn judge(&mut self, update: &Update) -> Verdict {
        let begun = Instant::now();
        let verdict = self.apply(update);
        tell_notes(update.type_url.rsplit('.').next().unwrap_or_default(), &self.options);
        let unknown = self.options.take_unknown();
        if self.heeds_unknown_fields {
            self.stats.dynamic_unknown_fields.add(unknown.len() as u64);
            unknown.iter().for_each(|field| tracing::warn!(target: "config", "{field}"));
        }
        self.count(update, &verdict, begun.elapsed());
        if update.resources.iter().map(|resource| resource.body.len()).sum::<usize>() >= WORTH_TRIMMING {
            self.trim_soon();
        }
        verdict
    }

    pub(super) fn apply(&mut self, update: &Update) -> Verdict {
        match &*update.type_url {
            type_url::CLUSTER => {
                self.start.clusters_came = true;
                self.dirty = true;
                self.clusters.update(update)
            }
            type_url::ENDPOINT => self.clusters.assign(update),
            type_url::LISTENER => {
                self.start.listeners_came = true;
                self.dirty = true;
                self.listeners.update(update, &|name| self.clusters.is_there(name), &self.secrets)
            }
            type_url::ROUTE => self.apply_routes(update),
            type_url::EXTENSION_CONFIG => {
                let verdict = self.extensions.update(update);
                self.listeners.let_go_of_replaced();
                verdict
            }
            type_url::RUNTIME => self.runtimes.update(update),
            type_url::SECRET => {
                let named = Named::AsAskedFor("SDS secret");
                each(update, named, |name, stored| self.secrets.apply(&SecretId::over_ads(name), stored))
            }
            WORKLOAD if self.workloads.is_some() => self.workloads.as_mut().map_or(Ok(()), |all| all.update(update)),
            other => {
                tracing::warn!(target: "config", "the control plane sent resources of type {other}, which were not asked for");
                Ok(())
            }
        }
    }

    fn apply_routes(&mut self, update: &Update) -> Verdict {
        let verdict =
            each(update, Named::AsAskedFor("RDS configuration"), |name, stored| self.apply_table(name, stored));
        each_refused(update, |name, stored, reason| self.refuse_table(name, stored, false, &format!("it {reason}")));
        // As Envoy: a table lives as long as listeners that name it. One that the control plane says is gone goes on.
        for name in &update.removed {
            tracing::debug!(target: "config", "the control plane has no route table '{name}' any more; where it is in use it stays");
            self.routes.does_not_exist(name);
        }
        self.listeners.let_go_of_replaced();
        self.tables.set_version(&update.version);
        verdict
    }

    fn apply_table(&mut self, name: &Arc<str>, stored: Stored) -> Result<(), String> {
        let (begun, version) = (Instant::now(), stored.version.clone());
        let verdict = self.take_table(name, stored);
        self.asked_tables.came(name, &version, verdict.is_ok(), begun.elapsed());
        verdict
    }

    fn take_table(&mut self, name: &Arc<str>, stored: Stored) -> Result<(), String> {
        if self.tables.look(name, &stored.body) == Seen::InUse && self.routes.is_filled(name) {
            return Ok(());
        }
        let compile = |config: config::route::RouteConfiguration| {
            config.leads_to_where_asked(&|name| self.clusters.is_there(name))?;
            RouteTable::compile(&config, &self.registry)
        };
        match config::route::decode(&stored.body, &self.options).and_then(compile) {
            Ok(table) => {
                if self.routes.publish(name, table) {
                    let before = self.tables.active_body(name).cloned();
                    audit::policy(Carrier::Routes, name, &stored.version, before.as_deref(), Some(&stored.body));
                    self.tables.put(name, stored, ());
                }
                Ok(())
            }
            Err(rejection) => {
                let reason = rejection.to_string();
                self.refuse_table(name, stored, rejection.withholds_policy, &reason);
                Err(reason)
            }
        }
    }

    fn refuse_table(&mut self, name: &Arc<str>, stored: Stored, withheld: bool, reason: &str) {
        let listeners = &self.listeners;
        let unjudged = |body: &[u8]| {
            withheld || {
                let filters = listeners.http_filters();
                Policy::of_routes(&stored.body, &filters).exceeds(&Policy::of_routes(body, &filters))
            }
        };
        let body = self.tables.active_body(name).cloned();
        if self.tables.take_down(name, unjudged).0.is_some() {
            audit::policy(Carrier::Routes, name, "", body.as_deref(), None);
            tracing::error!(
                target: "config",
                "route table '{name}' is taken away: its new version carries policy that is not enforced here, and is refused: {reason}"
            );
            self.routes.remove(name);
        } else {
            let before = if body.is_some() { "the one before it stays" } else { "and there is none before it" };
            tracing::error!(target: "config", "route table '{name}' is refused, {before}: {reason}");
        }
        self.tables.refuse(name, stored, reason);
    }

    fn count(&self, update: &Update, verdict: &Verdict, took: Duration) {
        let discovery: DiscoveryStats = match &*update.type_url {
            type_url::CLUSTER => self.stats.cds,
            type_url::LISTENER => self.stats.lds,
            _ => return,
        };
        match verdict {
            Ok(()) => discovery.succeeded(&update.version, took),
            Err(_) => discovery.rejected(),
        }
    }
}
