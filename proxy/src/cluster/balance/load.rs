//! How much of the load each priority takes: Envoy's health, overprovisioning, spill-over and panic arithmetic. Pure.

/// Sizes of one priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LevelHealth {
    /// All hosts.
    pub total: u32,
    /// Healthy ones.
    pub healthy: u32,
    /// Degraded ones.
    pub degraded: u32,
    /// `weighted_priority_health`: the weights that count instead.
    pub weights: Option<Weights>,
}

/// Weights of the hosts of one priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weights {
    /// Of all.
    pub total: u64,
    /// Of healthy ones.
    pub healthy: u64,
    /// Of degraded ones.
    pub degraded: u64,
}

/// The load of each priority, percent; healthy and degraded shares together are 100.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriorityLoad {
    /// Share that goes to the healthy hosts of each priority.
    pub healthy: Vec<u32>,
    /// Share that goes to the degraded ones.
    pub degraded: Vec<u32>,
    /// Priorities in panic: all their hosts are used.
    pub panic: Vec<bool>,
}

impl PriorityLoad {
    /// `overprovisioning` in percent (140), `panic_threshold` in percent (50; 0 turns panic off).
    pub fn new(levels: &[LevelHealth], overprovisioning: u32, panic_threshold: f64) -> PriorityLoad {
        let threshold = panic_threshold.round().clamp(0.0, 100.0);
        let (mut load, available) = PriorityLoad::by_health(levels, overprovisioning, &[]);
        if levels.is_empty() {
            return load;
        }
        if threshold == 0.0 && available == 0 {
            // Nothing is routed there: there are no healthy hosts. The shares must add up nevertheless.
            load.healthy[0] = 100;
            return load;
        }
        // With enough healthy hosts over all priorities none panics, however few one of them has.
        for (panic, level) in load.panic.iter_mut().zip(levels) {
            *panic = available < 100 && level.usable_percent() < threshold;
        }
        if load.panic.iter().all(|panic| *panic) {
            load.spread_by_size(levels);
        }
        load
    }

    /// The same load over other priorities alone; `None` when none of those has a host to offer.
    pub fn without(&self, levels: &[LevelHealth], overprovisioning: u32, excluded: &[u32]) -> Option<PriorityLoad> {
        let (load, available) = PriorityLoad::by_health(levels, overprovisioning, excluded);
        (available > 0).then(|| PriorityLoad { panic: self.panic.clone(), ..load })
    }

    /// Without panic, and with nothing for some priorities; and how much of the load there are hosts for, percent.
    fn by_health(levels: &[LevelHealth], overprovisioning: u32, excluded: &[u32]) -> (PriorityLoad, u32) {
        let of = |usable: fn(&Weights) -> u64| -> Vec<u32> {
            let one = |(priority, level): (u32, &LevelHealth)| match excluded.contains(&priority) {
                true => 0,
                false => {
                    let weights = level.weights();
                    availability(usable(&weights), weights.total, overprovisioning)
                }
            };
            (0..).zip(levels).map(one).collect()
        };
        let (health, degraded) = (of(|weights| weights.healthy), of(|weights| weights.degraded));
        let available = (health.iter().sum::<u32>() + degraded.iter().sum::<u32>()).min(100);
        let zeros = vec![0; levels.len()];
        let mut load = PriorityLoad { healthy: zeros.clone(), degraded: zeros, panic: vec![false; levels.len()] };
        if available > 0 {
            load.spread(&health, &degraded, available);
        }
        (load, available)
    }

    /// Where the `point`-th percent (0 to 99) goes: the priority, and whether to its degraded hosts.
    pub fn choose(&self, point: u64) -> (usize, bool) {
        let point = u32::try_from(point % 100).unwrap_or(0) + 1;
        let mut sum = 0;
        for (shares, degraded) in [(&self.healthy, false), (&self.degraded, true)] {
            for (priority, share) in shares.iter().enumerate() {
                sum += share;
                if point <= sum {
                    return (priority, degraded);
                }
            }
        }
        (0, false)
    }

    fn spread(&mut self, health: &[u32], degraded: &[u32], available: u32) {
        let left = distribute(&mut self.healthy, health, 100, available);
        let left = distribute(&mut self.degraded, degraded, left, available);
        // What is left is a rounding error: it goes to the first priority that can take anything.
        if let Some(first) = health.iter().position(|health| *health > 0) {
            self.healthy[first] += left;
        } else if let Some(first) = degraded.iter().position(|degraded| *degraded > 0) {
            self.degraded[first] += left;
        }
    }

    /// All priorities panic: load by size, whatever the health.
    fn spread_by_size(&mut self, levels: &[LevelHealth]) {
        let total: u64 = levels.iter().map(|level| u64::from(level.total)).sum();
        self.degraded.fill(0);
        self.healthy.fill(0);
        let Some(first) = levels.iter().position(|level| level.total > 0) else {
            self.healthy[0] = 100;
            return;
        };
        let mut left = 100;
        for (share, level) in self.healthy.iter_mut().zip(levels) {
            *share = u32::try_from(100 * u64::from(level.total) / total).unwrap_or(100);
            left -= *share;
        }
        self.healthy[first] += left;
    }
}

impl LevelHealth {
    /// What counts: weights, or each host as one.
    fn weights(&self) -> Weights {
        self.weights.unwrap_or(Weights {
            total: self.total.into(),
            healthy: self.healthy.into(),
            degraded: self.degraded.into(),
        })
    }

    fn usable_percent(&self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        100.0 * f64::from(self.healthy) / f64::from(self.total)
            + 100.0 * f64::from(self.degraded) / f64::from(self.total)
    }
}

fn availability(usable: u64, total: u64, overprovisioning: u32) -> u32 {
    if total == 0 {
        return 0;
    }
    let percent = u64::from(overprovisioning).saturating_mul(usable) / total;
    u32::try_from(percent.min(100)).unwrap_or(100)
}

fn distribute(shares: &mut [u32], availability: &[u32], mut left: u32, available: u32) -> u32 {
    for (share, percent) in shares.iter_mut().zip(availability) {
        *share = left.min(percent * 100 / available);
        left -= *share;
    }
    left
}

#[cfg(test)]
mod tests;
