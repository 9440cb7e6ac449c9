//! What is known of a host's health, as a set of Envoy's flags. Written by the control thread, read by balancers and by admin.

/// Health flags of one host, beside what the control plane says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct HealthFlags(u16);

impl HealthFlags {
    /// None.
    pub const NONE: HealthFlags = HealthFlags(0);
    /// Active health checks fail.
    pub const FAILED_ACTIVE_HC: HealthFlags = HealthFlags(1);
    /// Outlier detection has ejected it.
    pub const FAILED_OUTLIER_CHECK: HealthFlags = HealthFlags(1 << 1);
    /// An active health check was answered with `x-envoy-degraded`.
    pub const DEGRADED_ACTIVE_HC: HealthFlags = HealthFlags(1 << 2);
    /// It was taken away, and stays as long as active health checks succeed.
    pub const PENDING_DYNAMIC_REMOVAL: HealthFlags = HealthFlags(1 << 3);
    /// No active health check has ended yet.
    pub const PENDING_ACTIVE_HC: HealthFlags = HealthFlags(1 << 4);
    /// It has told that it fails its health checks.
    pub const EXCLUDED_VIA_IMMEDIATE_HC_FAIL: HealthFlags = HealthFlags(1 << 5);
    /// The last active health check was not answered in time.
    pub const ACTIVE_HC_TIMEOUT: HealthFlags = HealthFlags(1 << 6);
    /// Outlier detection has seen `x-envoy-degraded` in its answers.
    pub const DEGRADED_OUTLIER_DETECTION: HealthFlags = HealthFlags(1 << 7);

    /// Out of the number that [`HealthFlags::bits`] gave.
    pub const fn from_bits(bits: u16) -> HealthFlags {
        HealthFlags(bits)
    }

    /// As a number.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether it has one of those.
    pub const fn has(self, any: HealthFlags) -> bool {
        self.0 & any.0 != 0
    }

    /// These and those.
    pub const fn with(self, more: HealthFlags) -> HealthFlags {
        HealthFlags(self.0 | more.0)
    }

    /// These but for those.
    pub const fn without(self, less: HealthFlags) -> HealthFlags {
        HealthFlags(self.0 & !less.0)
    }

    /// Whether requests are to go elsewhere.
    pub const fn is_failed(self) -> bool {
        self.has(HealthFlags::FAILED_ACTIVE_HC.with(HealthFlags::FAILED_OUTLIER_CHECK))
    }

    /// Whether requests are to go elsewhere if they can.
    pub const fn is_degraded(self) -> bool {
        self.has(HealthFlags::DEGRADED_ACTIVE_HC.with(HealthFlags::DEGRADED_OUTLIER_DETECTION))
    }
}
