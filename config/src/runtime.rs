//! The runtime: values by key, of the bootstrap's static layers. Fields that name a key take its value in place of their own, once, when
//! their resource is read: no other layer acts, so that no value changes later. Asked by decoders.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::matcher::Fraction;

/// Values by key.
#[derive(Debug, Clone, Default)]
pub struct Runtime(BTreeMap<Arc<str>, Arc<str>>);

impl Runtime {
    /// Of keys and values in the order of their layers: the last wins.
    pub fn new(values: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Runtime {
        Runtime(values.into_iter().collect())
    }

    /// A whole number.
    pub(crate) fn integer(&self, key: &str) -> Option<u64> {
        let value = self.0.get(key)?.parse::<f64>().ok()?;
        // JSON has one kind of number.
        (value >= 0.0 && value.fract() == 0.0 && value <= MOST).then_some(value as u64)
    }

    /// A number.
    pub(crate) fn double(&self, key: &str) -> Option<f64> {
        self.0.get(key)?.parse::<f64>().ok()
    }

    /// A flag. As in Envoy a number is none.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.0.get(key)?.to_ascii_lowercase().parse().ok()
    }

    /// A share: a number of percent, or `numerator` and `denominator`.
    pub(crate) fn fraction(&self, key: &str) -> Option<Fraction> {
        if let Some(percent) = self.integer(key) {
            return Some(Fraction { numerator: percent.min(100) as u32, denominator: 100 });
        }
        let part = |name: &str| self.0.get(&*format!("{key}.{name}"));
        let (numerator, denominator) = (part("numerator"), part("denominator"));
        numerator.or(denominator)?;
        let numerator = self.integer(&format!("{key}.numerator")).unwrap_or(0);
        let denominator = match denominator.map(|text| &**text) {
            Some("TEN_THOUSAND" | "1") => 10_000,
            Some("MILLION" | "2") => 1_000_000,
            _ => 100,
        };
        Some(Fraction { numerator: u32::try_from(numerator).unwrap_or(u32::MAX), denominator })
    }
}

/// Beyond it a number of JSON is not exact.
const MOST: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests;
