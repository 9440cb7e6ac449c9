//! Quantiles and sums of histograms, from the counts of their buckets and the sum of what was recorded. Called by everything that shows
//! histograms. What is recorded are whole numbers, so a bucket holds fewer values than its bounds let one think.

use super::HistogramSample;

/// Quantiles that Envoy shows, in percent.
pub const QUANTILES: [f64; 10] = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];

/// Counts of buckets, and the sum of what was counted.
#[derive(Clone, Copy)]
pub struct Counted<'a> {
    bounds: &'static [f64],
    counts: &'a [u64],
    sum: f64,
}

impl HistogramSample {
    /// Since the start.
    pub fn all(&self) -> Counted<'_> {
        Counted { bounds: self.bounds, counts: &self.counts, sum: self.sum as f64 }
    }

    /// Between the last two flushes.
    pub fn last(&self) -> Counted<'_> {
        Counted { bounds: self.bounds, counts: &self.interval, sum: self.interval_sum as f64 }
    }
}

impl Counted<'_> {
    /// The value below which so many percent lie, as far as the buckets tell; NaN when there are none.
    pub fn quantile(self, percent: f64) -> f64 {
        let total: u64 = self.counts.iter().sum();
        if total == 0 {
            return f64::NAN;
        }
        let wanted = percent / 100.0 * total as f64;
        let mut below = 0.0;
        let mut last = (0, 0.0);
        for (index, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if below + count >= wanted {
                return self.within(index, ((wanted - below) / count).clamp(0.0, 1.0));
            }
            below += count;
            last = (index, 1.0);
        }
        self.within(last.0, last.1)
    }

    /// The value at this share of a bucket.
    fn within(self, index: usize, share: f64) -> f64 {
        let (low, high) = self.range(index);
        low + (high - low) * share
    }

    /// Where the values of a bucket lie: the lowest, and the end of Envoy's own bin of the highest.
    fn range(self, index: usize) -> (f64, f64) {
        let (low, high) = whole_numbers(self.bounds, index);
        let count = self.counts[index];
        if index == self.bounds.len() {
            // There is no bound above: the values lie around what the sum leaves for them.
            let others =
                self.counts.iter().take(index).enumerate().map(|(index, count)| self.middle(index) * *count as f64);
            let mean = ((self.sum - others.sum::<f64>()) / count as f64).max(low);
            return (mean, mean + bin(mean));
        }
        if self.counts.iter().sum::<u64>() == count {
            // All are in this one bucket, and the sum tells where.
            let mean = (self.sum / count as f64).clamp(low, high);
            let spread = if count == 1 { 0.0 } else { (mean - low).min(high - mean) };
            return (mean - spread, mean + spread + bin(mean + spread));
        }
        (low, high + bin(high))
    }

    fn middle(self, index: usize) -> f64 {
        let (low, high) = whole_numbers(self.bounds, index);
        (low + high) / 2.0
    }
}

/// The lowest and the highest whole number of a bucket. The last bucket has no highest.
fn whole_numbers(bounds: &[f64], index: usize) -> (f64, f64) {
    let low = index.checked_sub(1).map_or(0.0, |before| bounds[before].floor() + 1.0);
    let high = bounds.get(index).map_or(low, |bound| bound.floor());
    // Where there is no whole number in it, it is empty.
    (low, high.max(low))
}

/// How wide the bin is in which Envoy counts a value: a tenth of its power of ten.
fn bin(value: f64) -> f64 {
    if value < 1.0 { 0.0 } else { 10f64.powf(value.log10().floor() - 1.0) }
}

/// What a quantile in percent is of one, as it is written: 0.999.
pub fn of_one(percent: f64) -> f64 {
    (percent * 10.0).round() / 1000.0
}

/// Envoy's quantiles (0 to 1) of the last interval; none where nothing came in it.
pub fn quantiles(histogram: &HistogramSample) -> Vec<(f64, f64)> {
    let value = |quantile: f64| (of_one(quantile), histogram.last().quantile(quantile));
    QUANTILES.map(value).into_iter().filter(|(_, value)| !value.is_nan()).collect()
}

/// The sum of the last interval.
pub fn sum_of(histogram: &HistogramSample) -> f64 {
    histogram.interval_sum as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(bounds: &'static [f64], counts: &[u64], sum: f64) -> [f64; 3] {
        let short = |value: f64| (value * 1000.0).round() / 1000.0;
        [0.0, 50.0, 100.0].map(|percent| short(Counted { bounds, counts, sum }.quantile(percent)))
    }

    const BOUNDS: &[f64] = &[0.5, 1.0, 5.0, 50.0];

    #[test]
    fn whole_numbers_below_the_first_bounds_are_exact() {
        assert_eq!(counted(BOUNDS, &[8, 0, 0, 0, 0], 0.0), [0.0, 0.0, 0.0]);
        assert_eq!(counted(BOUNDS, &[0, 4, 0, 0, 0], 4.0), [1.0, 1.05, 1.1]);
        assert_eq!(counted(BOUNDS, &[2, 1, 0, 0, 0], 1.0), [0.0, 0.0, 1.1]);
        assert_eq!(counted(&[5.0, 50.0], &[8, 0, 0], 0.0), [0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_single_value_is_known() {
        assert_eq!(counted(BOUNDS, &[0, 0, 0, 1, 0], 20.0), [20.0, 20.5, 21.0]);
        assert_eq!(counted(BOUNDS, &[0, 0, 2, 0, 0], 4.0), [2.0, 2.05, 2.1]);
    }

    #[test]
    fn what_is_above_the_last_bound_lies_where_the_sum_says() {
        assert_eq!(counted(BOUNDS, &[0, 0, 0, 0, 4], 1200.0), [300.0, 305.0, 310.0]);
        assert_eq!(counted(BOUNDS, &[1, 0, 0, 0, 1], 300.0), [0.0, 0.0, 310.0]);
    }

    #[test]
    fn nothing_has_no_quantiles() {
        assert!(counted(BOUNDS, &[0; 5], 0.0).iter().all(|value| value.is_nan()));
        assert!(counted(BOUNDS, &[], 0.0).iter().all(|value| value.is_nan()));
    }

    #[test]
    fn shares_are_written_short() {
        assert_eq!(QUANTILES.map(of_one).map(|share| share.to_string())[6..], ["0.99", "0.995", "0.999", "1"]);
    }
}
