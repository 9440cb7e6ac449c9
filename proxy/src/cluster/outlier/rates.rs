//! Which hosts of an interval are outliers by their success: Envoy's arithmetic. Pure.

/// A host of an interval: its number, how many requests it had, and which part of them succeeded, percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rated {
    /// The host.
    pub host: usize,
    /// Requests.
    pub volume: u64,
    /// Percent.
    pub rate: f64,
}

/// The mean of hosts, and how many standard deviations (in thousandths) below it a rate is an outlier's. `None` where there is nobody.
pub fn threshold(hosts: &[Rated], stdev_factor: u32) -> Option<(f64, f64)> {
    if hosts.is_empty() {
        return None;
    }
    let count = hosts.len() as f64;
    let mean = hosts.iter().map(|host| host.rate).sum::<f64>() / count;
    let variance = hosts.iter().map(|host| (host.rate - mean).powi(2)).sum::<f64>() / count;
    Some((mean, mean - f64::from(stdev_factor) / 1000.0 * variance.sqrt()))
}
