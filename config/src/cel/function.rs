//! The functions of CEL, by name, way of calling and number of arguments. Called by the translation.

/// A function. Which types it takes is seen when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Function {
    Not,
    Negate,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// Strings, too.
    Add,
    /// No strings.
    AddNumbers,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Index,
    In,
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Octets,
    Duration,
    Timestamp,
    Type,
    Dyn,
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
    LowerAscii,
    UpperAscii,
    Replace,
    Split,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// This.
    Function(Function),
    /// `matches`.
    Matches,
    /// Envoy has it, and this build has not.
    NotHere,
    /// Nobody has it, or not called in this way.
    Nowhere,
}

/// Which functions `CelExpressionConfig` adds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Enabled {
    pub string_conversion: bool,
    pub string_functions: bool,
}

/// By name; `receiver`: called as `a.name(...)`, and `count` is without it.
pub(super) fn find(name: &str, receiver: bool, count: usize, enabled: Enabled) -> Found {
    use Function as F;
    let function = match (name, receiver, count) {
        ("!_", false, 1) => F::Not,
        ("-_", false, 1) => F::Negate,
        ("_==_", false, 2) => F::Equal,
        ("_!=_", false, 2) => F::NotEqual,
        ("_<_", false, 2) => F::Less,
        ("_<=_", false, 2) => F::LessOrEqual,
        ("_>_", false, 2) => F::Greater,
        ("_>=_", false, 2) => F::GreaterOrEqual,
        ("_+_", false, 2) => F::Add,
        ("_-_", false, 2) => F::Subtract,
        ("_*_", false, 2) => F::Multiply,
        ("_/_", false, 2) => F::Divide,
        ("_%_", false, 2) => F::Modulo,
        ("_[_]", false, 2) => F::Index,
        ("@in" | "_in_" | "in", false, 2) => F::In,
        ("size", false, 1) | ("size", true, 0) => F::Size,
        ("contains", false, 2) | ("contains", true, 1) => F::Contains,
        ("startsWith", false, 2) | ("startsWith", true, 1) => F::StartsWith,
        ("endsWith", false, 2) | ("endsWith", true, 1) => F::EndsWith,
        ("matches", false, 2) | ("matches", true, 1) => return Found::Matches,
        ("bool", false, 1) => F::Bool,
        ("int", false, 1) => F::Int,
        ("uint", false, 1) => F::Uint,
        ("double", false, 1) => F::Double,
        ("bytes", false, 1) => F::Octets,
        ("duration", false, 1) => F::Duration,
        ("timestamp", false, 1) => F::Timestamp,
        ("type", false, 1) => F::Type,
        ("dyn", false, 1) => F::Dyn,
        ("string", false, 1) if enabled.string_conversion => F::Text,
        ("lowerAscii", true, 0) if enabled.string_functions => F::LowerAscii,
        ("upperAscii", true, 0) if enabled.string_functions => F::UpperAscii,
        ("replace", true, 2 | 3) if enabled.string_functions => F::Replace,
        ("split", true, 1 | 2) if enabled.string_functions => F::Split,
        (
            "join" | "charAt" | "indexOf" | "lastIndexOf" | "substring" | "trim" | "format" | "quote" | "reverse",
            true,
            _,
        ) if enabled.string_functions => return Found::NotHere,
        (name, true, 0 | 1) => match time(name) {
            // With the name of a time zone.
            Some(_) if count == 1 => return Found::NotHere,
            Some(function) => function,
            None => return Found::Nowhere,
        },
        ("re.extract" | "re.capture" | "re.captureN", ..) => return Found::NotHere,
        _ => return Found::Nowhere,
    };
    Found::Function(function)
}

fn time(name: &str) -> Option<Function> {
    Some(match name {
        "getFullYear" => Function::FullYear,
        "getMonth" => Function::Month,
        "getDate" => Function::Date,
        "getDayOfMonth" => Function::DayOfMonth,
        "getDayOfWeek" => Function::DayOfWeek,
        "getDayOfYear" => Function::DayOfYear,
        "getHours" => Function::Hours,
        "getMinutes" => Function::Minutes,
        "getSeconds" => Function::Seconds,
        "getMilliseconds" => Function::Milliseconds,
        _ => return None,
    })
}
