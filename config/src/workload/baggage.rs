//! A workload as W3C baggage, by the names of OpenTelemetry. Used where configuration asks for it instead of Istio's own headers.

use std::sync::Arc;

use super::told::cut;
use super::{Kind, LONGEST, Workload};

/// Entries that are looked at.
const MOST: usize = 64;

impl Workload {
    /// The value of the header `baggage`.
    pub fn baggage(&self) -> String {
        let kind = self.kind.as_str().unwrap_or("pod");
        // What is not known is the other's, as its readers have it.
        let entries: [(&str, &str); 10] = [
            (&format!("k8s.{kind}.name"), &self.name),
            ("service.name", &self.service),
            ("app.name", if *self.app == *self.service { "" } else { &self.app }),
            ("service.version", &self.revision),
            ("app.version", if *self.version == *self.revision { "" } else { &self.version }),
            ("k8s.namespace.name", &self.namespace),
            ("k8s.cluster.name", &self.cluster),
            ("k8s.instance.name", &self.instance),
            ("cloud.region", &self.region),
            ("cloud.availability_zone", &self.zone),
        ];
        let said = entries.iter().filter(|(_, value)| !value.is_empty());
        said.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    }

    /// Out of the value of such a header.
    pub fn of_baggage(value: &str) -> Workload {
        let (mut workload, mut was_cut) = (Workload::default(), false);
        for (name, value) in value.split(',').take(MOST).filter_map(|entry| entry.split_once('=')) {
            // A second `=` ends the value for Istio's reader.
            let value = cut(value.split('=').next().unwrap_or_default(), LONGEST, &mut was_cut);
            workload.take(name, value);
        }
        workload
    }

    fn take(&mut self, name: &str, value: Arc<str>) {
        let or = |place: &mut Arc<str>, value: &Arc<str>| {
            if place.is_empty() {
                place.clone_from(value);
            }
        };
        match name {
            "k8s.namespace.name" => self.namespace = value,
            "k8s.cluster.name" => self.cluster = value,
            "service.name" => {
                or(&mut self.app, &value);
                self.service = value;
            }
            "service.version" => {
                or(&mut self.version, &value);
                self.revision = value;
            }
            "app.name" => {
                or(&mut self.service, &value);
                self.app = value;
            }
            "app.version" => {
                or(&mut self.revision, &value);
                self.version = value;
            }
            "k8s.deployment.name" | "k8s.pod.name" | "k8s.cronjob.name" | "k8s.job.name" => {
                self.kind = Kind::of(name.split('.').nth(1).unwrap_or_default());
                self.name = value;
            }
            "k8s.instance.name" => self.instance = value,
            "cloud.region" => self.region = value,
            "cloud.availability_zone" => self.zone = value,
            _ => {}
        }
    }
}
