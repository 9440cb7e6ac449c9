//! What was measured, as Markdown: medians over the rounds, and ratios against Outrigger's own figure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::contender::Kind;
use super::scenario::{Measured, Scenario, Standing};

/// Everything one run measured.
#[derive(Debug, Default)]
pub struct Report {
    /// By scenario and contender, one value a round.
    pub work: BTreeMap<(Scenario, Kind), Vec<Measured>>,
    /// By number of clusters and contender, one value a round.
    pub standing: BTreeMap<(usize, Kind), Vec<Standing>>,
}

impl Report {
    /// The tables of `RESULTS.md`.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        text.push_str("## CPU\n\n| work | unit | Outrigger | Envoy | HAProxy | nginx | ÷ Envoy | ÷ HAProxy | failed |\n|---|---|---|---|---|---|---|---|---|\n");
        for scenario in Scenario::ALL {
            if self.work.keys().any(|(of, _)| *of == scenario) {
                self.work_row(&mut text, scenario);
            }
        }
        text.push_str("\n## Standing still\n\n| clusters | | ready, ms | PSS, MiB | PSS after one config_dump, MiB |\n|---|---|---|---|---|\n");
        for ((clusters, kind), values) in &self.standing {
            let ready = median(values.iter().map(|value| value.ready.as_secs_f64() * 1e3));
            let pss = median(values.iter().map(|value| value.pss_kib as f64 / 1024.0));
            let after = median(values.iter().map(|value| value.pss_after_dump_kib as f64 / 1024.0));
            let _ = writeln!(text, "| {clusters} | {} | {ready:.0} | {pss:.1} | {after:.1} |", kind.name());
        }
        text
    }

    fn work_row(&self, text: &mut String, scenario: Scenario) {
        let value = |kind: Kind| {
            let values = self.work.get(&(scenario, kind))?;
            Some(median(values.iter().map(|measured| measured.cpu_per_unit)))
        };
        let ours = value(Kind::Outrigger);
        let cell = |kind: Kind| value(kind).map_or("–".to_owned(), |value| format!("{value:.2}"));
        let ratio = |kind: Kind| match (ours, value(kind)) {
            (Some(ours), Some(theirs)) => format!("**{:.2}**", ours / theirs),
            _ => "–".to_owned(),
        };
        let failed: u64 = self
            .work
            .iter()
            .filter(|((of, _), _)| *of == scenario)
            .flat_map(|(_, values)| values.iter().map(|measured| measured.failed))
            .sum();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {failed} |",
            scenario.name(),
            scenario.unit(),
            cell(Kind::Outrigger),
            cell(Kind::Envoy),
            cell(Kind::Haproxy),
            cell(Kind::Nginx),
            ratio(Kind::Envoy),
            ratio(Kind::Haproxy),
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}
