//! Values that follow the runtime. Made by [`super::Runtime`], held by plain data, read by whoever serves traffic: one atomic where a key
//! is named, and nothing where none is.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::bootstrap;
use crate::matcher::Fraction;

/// What a key can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// A number.
    Double,
    /// True or false.
    Flag,
    /// A share.
    Fraction,
}

/// A type that keys can be asked for. Which there are is settled here.
pub trait Value: Copy + PartialEq + fmt::Debug {
    /// What of a key it is made of.
    const KIND: Kind;
    /// `None`: the key says what this cannot be.
    fn of(bits: u64) -> Option<Self>;
}

impl Value for u64 {
    const KIND: Kind = Kind::Integer;
    fn of(bits: u64) -> Option<u64> {
        Some(bits)
    }
}

impl Value for u32 {
    const KIND: Kind = Kind::Integer;
    fn of(bits: u64) -> Option<u32> {
        u32::try_from(bits).ok()
    }
}

impl Value for u16 {
    const KIND: Kind = Kind::Integer;
    fn of(bits: u64) -> Option<u16> {
        u16::try_from(bits).ok()
    }
}

/// In milliseconds.
impl Value for Duration {
    const KIND: Kind = Kind::Integer;
    fn of(bits: u64) -> Option<Duration> {
        Some(Duration::from_millis(bits))
    }
}

impl Value for f64 {
    const KIND: Kind = Kind::Double;
    fn of(bits: u64) -> Option<f64> {
        Some(f64::from_bits(bits))
    }
}

impl Value for bool {
    const KIND: Kind = Kind::Flag;
    fn of(bits: u64) -> Option<bool> {
        Some(bits == 1)
    }
}

impl Value for Fraction {
    const KIND: Kind = Kind::Fraction;
    fn of(bits: u64) -> Option<Fraction> {
        Some(Fraction { numerator: (bits >> 32) as u32, denominator: bits as u32 })
    }
}

/// A key that is not there, or is nothing of the kind. No value has these bits: doubles that are no number are none, denominators are small.
pub(super) const NOTHING: u64 = u64::MAX;

impl Kind {
    /// What a text is, as bits.
    pub(super) fn read(self, text: &str) -> u64 {
        let text = text.trim();
        let bits = match self {
            Kind::Integer => integer(text),
            Kind::Double => text.parse::<f64>().ok().filter(|value| !value.is_nan()).map(f64::to_bits),
            // As in Envoy a number is no flag.
            Kind::Flag => text.to_ascii_lowercase().parse().ok().map(|flag: bool| u64::from(flag)),
            Kind::Fraction => fraction(text),
        };
        bits.unwrap_or(NOTHING)
    }

    pub(super) fn unpacked<T: Value>(self, bits: u64) -> Option<T> {
        (bits != NOTHING).then(|| T::of(bits)).flatten()
    }
}

fn integer(text: &str) -> Option<u64> {
    /// The first that is too large.
    const TOO_MUCH: f64 = 18_446_744_073_709_551_616.0;
    let cut_off = || {
        if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return u64::from_str_radix(digits, 16).ok();
        }
        // JSON has one kind of number; as in Envoy it is a whole one without what is behind its point.
        let value = text.parse::<f64>().ok()?;
        (0.0..TOO_MUCH).contains(&value).then_some(value as u64)
    };
    text.parse::<u64>().ok().or_else(cut_off).map(|value| value.min(NOTHING - 1))
}

/// A number of percent, or a `FractionalPercent` as YAML.
fn fraction(text: &str) -> Option<u64> {
    let packed = |numerator: u32, denominator: u32| u64::from(numerator) << 32 | u64::from(denominator);
    if let Some(percent) = integer(text) {
        return Some(packed(percent.min(100) as u32, 100));
    }
    if !text.contains(['{', ':']) {
        return None;
    }
    let json = bootstrap::yaml_to_json(text).ok()?;
    let fields = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&json).ok()?;
    let (mut numerator, mut denominator) = (0, 100);
    for (name, value) in &fields {
        match &**name {
            "numerator" => numerator = u32::try_from(integer(&plain(value))?).ok()?,
            "denominator" => {
                denominator = match &*plain(value) {
                    "HUNDRED" | "0" => 100,
                    "TEN_THOUSAND" | "1" => 10_000,
                    "MILLION" | "2" => 1_000_000,
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    Some(packed(numerator, denominator))
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a key says; nothing where none is named.
pub struct Key<T> {
    cell: Option<Arc<AtomicU64>>,
    kind: PhantomData<T>,
}

impl<T: Value> Key<T> {
    pub(super) fn of(cell: Arc<AtomicU64>) -> Key<T> {
        Key { cell: Some(cell), kind: PhantomData }
    }

    /// A key that always says this: for those who make plain data by hand.
    pub fn fixed(text: &str) -> Key<T> {
        Key::of(Arc::new(AtomicU64::new(T::KIND.read(text))))
    }

    /// What it says at this moment.
    #[inline]
    pub fn get(&self) -> Option<T> {
        T::KIND.unpacked(self.cell.as_ref()?.load(Ordering::Relaxed))
    }
}

impl<T> Key<T> {
    /// No key.
    pub const fn none() -> Key<T> {
        Key { cell: None, kind: PhantomData }
    }
}

impl<T> Default for Key<T> {
    fn default() -> Key<T> {
        Key::none()
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Key<T> {
        Key { cell: self.cell.clone(), kind: PhantomData }
    }
}

impl<T: Value> PartialEq for Key<T> {
    fn eq(&self, other: &Key<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Value + Eq> Eq for Key<T> {}

impl<T: Value> fmt::Debug for Key<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(out)
    }
}

/// What a field says, or, while it says something, the key that it names.
#[derive(Clone)]
pub struct Live<T> {
    own: T,
    key: Key<T>,
}

impl<T: Value> Live<T> {
    pub(super) fn new(own: T, key: Key<T>) -> Live<T> {
        Live { own, key }
    }

    /// What counts at this moment.
    #[inline]
    pub fn get(&self) -> T {
        self.key.get().unwrap_or(self.own)
    }

    /// What it is for ever; `None` where a key may change it.
    pub fn settled(&self) -> Option<T> {
        self.key.cell.is_none().then_some(self.own)
    }
}

impl<T> Live<T> {
    /// What no key changes.
    pub const fn fixed(own: T) -> Live<T> {
        Live { own, key: Key::none() }
    }
}

impl<T> From<T> for Live<T> {
    fn from(own: T) -> Live<T> {
        Live::fixed(own)
    }
}

impl<T: Value> PartialEq for Live<T> {
    fn eq(&self, other: &Live<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Value + Eq> Eq for Live<T> {}

impl<T: Value> fmt::Debug for Live<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(out)
    }
}
