//! The single values of a configuration. Each type knows what is allowed, for messages and for the JSON
//! Schema alike.

use std::{borrow::Cow, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use lowtide_core::{
    AtMost, ByteRate, Bytes, Line, Mode, Policy, Ratio, TierKind,
    treatments::{DefragMode, KsmMode},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{SourceChoice, namespaces, pattern::Pattern, units};

/// A value that is written as one piece of text.
pub(crate) trait Leaf: Sized {
    /// What is allowed, with an example. Follows "is".
    const ALLOWED: &'static str;

    /// The value, or what was found instead.
    fn parse(text: &str) -> Result<Self, Refused>;
}

/// Why a text is not the value.
pub(crate) struct Refused {
    /// What was found.
    pub message: String,
    /// What to do, where there is more to say than what is allowed.
    pub help: Option<String>,
}

impl From<String> for Refused {
    fn from(message: String) -> Self {
        Self { message, help: None }
    }
}

/// Declares leaves: name(type), what is allowed, the JSON Schema pattern, the parser.
macro_rules! leaves {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $allowed:literal, $pattern:expr, $parse:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name(pub $inner);

        impl Leaf for $name {
            const ALLOWED: &'static str = $allowed;

            fn parse(text: &str) -> Result<Self, Refused> {
                let parse: fn(&str) -> Result<$inner, Refused> = $parse;
                parse(text).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "x-allowed": $allowed })
            }
        }
    )*};
}

const SECOND: Duration = Duration::from_secs(1);
const TEN_MINUTES: Duration = Duration::from_mins(10);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const NINETY_DAYS: Duration = Duration::from_hours(90 * 24);
const THIRTY_DAYS: Duration = Duration::from_hours(30 * 24);

leaves! {
    /// Time between two ticks.
    Interval(Duration), "a time from 1s to 10m, such as 6s", units::TIME,
        |text| Ok(units::time(text, SECOND, TEN_MINUTES)?);

    /// Time between two walks.
    WalkInterval(Duration), "a time from 1s to 1h, such as 30s", units::TIME,
        |text| Ok(units::time(text, SECOND, HOUR)?);

    /// Age from which memory may go.
    ColdAfter(Duration), "a time from 1s to 30d, such as 5m or 6h", units::TIME,
        |text| Ok(units::time(text, SECOND, THIRTY_DAYS)?);

    /// Where a line is drawn.
    LineAt(Line), "an age from 1s to 30d, such as 5m, or a share from 0% to 100%, such as 25%",
        format!("{}|{}", units::TIME, units::SHARE), |text| Ok(units::line(text, SECOND, THIRTY_DAYS)?);

    /// Share of time in which some task stalls.
    Pressure(Ratio), "a share of time above 0% and up to 100%, such as 0.1%", units::SHARE,
        |text| Ok(units::some_share(text)?);

    /// Stall over work.
    Slowdown(Ratio), "a share of the cgroup's own processor time above 0%, such as 1%", units::SHARE,
        |text| Ok(units::above_nothing(text)?);

    /// Share faulted back per minute.
    PromotionRate(Ratio), "a share per time above 0% and up to 100%/min, such as 0.2%/min", units::SHARE_RATE,
        |text| Ok(units::share_per_minute(text)?);

    /// Share of a cgroup's memory per minute.
    PerMinute(Ratio), "a share above 0% and up to 100%, such as 5%", units::SHARE,
        |text| Ok(units::some_share(text)?);

    /// Share of one core.
    Cpu(Ratio), "a share of one core above 0% and up to 100%, such as 10%", units::SHARE,
        |text| Ok(units::some_share(text)?);

    /// Share of one core for walks.
    WalkCpu(Ratio), "a share of one core above 0% and up to 100%, such as 1%", units::SHARE,
        |text| Ok(units::some_share(text)?);

    /// Share that is kept free.
    Reserve(Ratio), "a share from 0% to below 100%, such as 10%", units::SHARE,
        |text| Ok(units::share_below_all(text)?);

    /// Share of the cgroups that is left alone.
    HeldOut(Ratio), "a share from 0% to 50%, such as 5%", units::SHARE,
        |text| Ok(units::up_to_half(text)?);

    /// How full a tier is.
    FillMark(Ratio), "a share above 0% and below 100%, such as 80%", units::SHARE,
        |text| Ok(units::some_share(text).and_then(|_| units::share_below_all(text))?);

    /// Time between two looks at the fill of a tier.
    ScanInterval(Duration), "a time from 1s to 10m, such as 10s", units::TIME,
        |text| Ok(units::time(text, SECOND, TEN_MINUTES)?);

    /// Age from which a page may sink.
    MinAge(Duration), "a time from 1s to 30d, such as 10m", units::TIME,
        |text| Ok(units::time(text, SECOND, THIRTY_DAYS)?);

    /// Share of the host's memory that MemAvailable may lose.
    AvailableLoss(Ratio), "a share of the host's memory above 0% and up to 100%, such as 2%", units::SHARE,
        |text| Ok(units::some_share(text)?);

    /// Time without direct reclaim.
    Protection(Duration), "a time from 1s to 1d, such as 5m", units::TIME,
        |text| Ok(units::time(text, SECOND, DAY)?);

    /// For how long the past is kept.
    HistoryKeep(Duration), "a time from 1h to 90d, such as 7d", units::TIME,
        |text| Ok(units::time(text, HOUR, NINETY_DAYS)?);

    /// What the past may take on the disk.
    HistorySize(Bytes), "a size from 1MiB to 4GiB with a binary unit, such as 64MiB", units::SIZE,
        |text| Ok(units::size_within(text, Bytes::mib(1), Bytes::mib(4096))?);

    /// A size a day.
    DailyBytes(Bytes), "a size per day, such as 20GiB/day; 0B/day for none at all", units::SIZE_PER_DAY,
        |text| Ok(units::size_per_day(text)?);

    /// A size.
    Size(Bytes), "a size with a binary unit, such as 256MiB or 4G; 0B for none", units::SIZE,
        |text| Ok(units::size(text)?);

    /// A size, or a share of the host's memory that may be more than all of it.
    Amount(crate::Amount), "a size above 0 with a binary unit, such as 8GiB, or a share of the host's memory, such as 200%",
        format!("{}|{}", units::SIZE, units::SHARE), |text| Ok(units::amount(text, None)?);

    /// A size, or a share of the host's memory.
    Memory(crate::Amount), "a size above 0 with a binary unit, such as 2GiB, or a share of the host's memory up to 100%, such as 25%",
        format!("{}|{}", units::SIZE, units::SHARE), |text| Ok(units::amount(text, Some(Ratio::ONE))?);

    /// How much of a cgroup a tier may hold.
    Most(AtMost), "a size above 0 with a binary unit, such as 2GiB, or a share of the cgroup's memory up to 100%, such as 25%",
        format!("{}|{}", units::SIZE, units::SHARE), |text| Ok(at_most(text)?);

    /// Idle age from which memory may go to a tier.
    After(Duration), "a time from 1s to 30d, such as 5m or 6h", units::TIME,
        |text| Ok(units::time(text, SECOND, THIRTY_DAYS)?);

    /// A compression algorithm.
    Algorithm(Arc<str>), "the kernel's name of a compression algorithm, such as lz4 or zstd", "^[a-z0-9-]{1,32}$", algorithm;

    /// A block device, or a file.
    Device(PathBuf), "an absolute path, such as /dev/disk/by-partlabel/cold", "^/", |text| absolute(text);

    /// A size per time.
    Rate(ByteRate), "a size per s, min, h or day, such as 1MiB/s; 0B/s for none at all", units::SIZE_RATE,
        |text| Ok(units::size_rate(text)?);

    /// A size per time, not nothing.
    SomeRate(ByteRate), "a size per s, min, h or day, above 0, such as 64MiB/s", units::SIZE_RATE,
        |text| Ok(units::some_size_rate(text)?);

    /// A currency.
    Currency(String), "a currency of 1 to 8 letters or signs, such as USD", "^\\S{1,8}$", currency;

    /// Where to listen.
    Listen(Place), "an IP address and a port, such as 127.0.0.1:9464 or [::1]:9464, or a Unix socket, such as unix:/run/lowtide/metrics.sock",
        ".:[0-9]+$|^unix:/", listen;

    /// An absolute path.
    Directory(PathBuf), "an absolute path, such as /var/lib/lowtide", "^/", |text| absolute(text);

    /// A path that a socket can be bound to.
    Socket(PathBuf), "an absolute path of at most 107 bytes, such as /run/lowtide/lowtide.sock", "^/", socket;

    /// A user, by name or number.
    User(String), "the name of a user, such as prometheus, or a number in quotes, such as \"65534\"",
        "^([A-Za-z_][A-Za-z0-9._-]{0,31}|[0-9]{1,10})$", user;

    /// A group of users.
    Group(String), "the name of a group, such as adm", "^[A-Za-z_][A-Za-z0-9._-]{0,31}$", group;

    /// The name of a policy.
    Name(Arc<str>), "1 to 63 of the characters a-z A-Z 0-9 . _ -, the first a letter or digit",
        "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", name;

    /// Which cgroups.
    Match(Vec<Pattern>), "a glob over cgroup paths that begins with `/`, such as \"/system.slice/**\"", "^/", pattern;

    /// Which namespaces.
    InNamespaces(Vec<Pattern>), "a glob over names of Kubernetes namespaces, such as shop or \"team-*\"", "^[^/]+$",
        |text| namespaces::parse(text).map_err(|(message, help)| Refused { message, help: Some(help) });
}

impl Leaf for Mode {
    const ALLOWED: &'static str =
        "one of `observe` (write nothing), `file` (page cache only), `full` (also anonymous memory)";

    fn parse(text: &str) -> Result<Self, Refused> {
        match text {
            "observe" => Ok(Self::Observe),
            "file" => Ok(Self::File),
            "full" => Ok(Self::Full),
            _ => Err(format!("`{}` is not a mode", units::short(text)).into()),
        }
    }
}

/// [`Mode`] for the JSON Schema: `core` knows no schema.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase", extend("x-allowed" = Mode::ALLOWED))]
#[expect(dead_code, reason = "only its schema is wanted")]
pub(crate) enum ModeName {
    Observe,
    File,
    Full,
}

impl Leaf for SourceChoice {
    const ALLOWED: &'static str =
        "one of `auto` (the best that the kernel has), `mglru`, `sampled`, `damon`, `none`";

    fn parse(text: &str) -> Result<Self, Refused> {
        let known = [Self::Auto, Self::Mglru, Self::Sampled, Self::Damon, Self::None];
        let found = known.into_iter().find(|source| source.name() == text);
        found.ok_or_else(|| format!("`{}` is not a source of idle ages", units::short(text)).into())
    }
}

/// [`SourceChoice`] for the JSON Schema.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase", extend("x-allowed" = SourceChoice::ALLOWED))]
#[expect(dead_code, reason = "only its schema is wanted")]
pub(crate) enum SourceName {
    Auto,
    Mglru,
    Sampled,
    Damon,
    None,
}

impl Leaf for TierKind {
    const ALLOWED: &'static str = "one of `zram`, `zswap`, `disk` (a swap partition or file), `node` (a slower NUMA \
                                   node, such as CXL)";

    fn parse(text: &str) -> Result<Self, Refused> {
        let found = Self::ALL.into_iter().find(|tier| tier.name() == text);
        found.ok_or_else(|| format!("`{}` is not a tier", units::short(text)).into())
    }
}

/// [`TierKind`] for the JSON Schema.
pub(crate) struct TierName;

impl JsonSchema for TierName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TierName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = TierKind::ALL.map(TierKind::name);
        json_schema!({ "type": "string", "enum": names, "x-allowed": TierKind::ALLOWED })
    }
}

impl Leaf for KsmMode {
    const ALLOWED: &'static str = "`advisor`: its scan-time advisor (Linux 6.8 and later) says how fast it works; leave the key out to leave \
                                   KSM alone";

    fn parse(text: &str) -> Result<Self, Refused> {
        match text {
            "advisor" => Ok(Self::Advisor),
            _ => Err(format!("`{}` is no way to run KSM", units::short(text)).into()),
        }
    }
}

/// [`KsmMode`] for the JSON Schema.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase", extend("x-allowed" = KsmMode::ALLOWED))]
#[expect(dead_code, reason = "only its schema is wanted")]
pub(crate) enum KsmModeName {
    Advisor,
}

impl Leaf for DefragMode {
    const ALLOWED: &'static str = "`defer+madvise`: page faults leave compaction to kcompactd, but where a program asked for huge pages; leave \
                                   the key out to leave the setting alone";

    fn parse(text: &str) -> Result<Self, Refused> {
        match text {
            "defer+madvise" => Ok(Self::DeferMadvise),
            _ => Err(format!("`{}` is not set by lowtide", units::short(text)).into()),
        }
    }
}

/// [`DefragMode`] for the JSON Schema.
#[derive(JsonSchema)]
#[schemars(inline, extend("x-allowed" = DefragMode::ALLOWED))]
#[expect(dead_code, reason = "only its schema is wanted")]
pub(crate) enum DefragModeName {
    #[schemars(rename = "defer+madvise")]
    DeferMadvise,
}

/// What `metrics.listen` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A whole number within bounds, written as a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole<const LEAST: u16, const MOST: u16>(pub u16);

/// What a draw at random begins with.
pub(crate) type Seed = Whole<0, { u16::MAX }>;

/// What vm.watermark_scale_factor is set to: from the kernel's own value to the greatest that it takes (5.17
/// and later).
pub(crate) type ScaleFactor = Whole<10, 3000>;

/// What swapon(2) takes.
pub(crate) type Priority = Whole<0, 32_767>;

impl<const LEAST: u16, const MOST: u16> Whole<LEAST, MOST> {
    /// What is allowed. Follows "is".
    pub(crate) fn allowed() -> String {
        format!("a whole number from {LEAST} to {MOST}")
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
        number.filter(|_| digits).map(Self)
    }
}

impl<const LEAST: u16, const MOST: u16> JsonSchema for Whole<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole{LEAST}To{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST, "x-allowed": Self::allowed() })
    }
}

fn at_most(text: &str) -> Result<AtMost, String> {
    Ok(match units::amount(text, Some(Ratio::ONE))? {
        crate::Amount::Bytes(size) => AtMost::Bytes(size),
        crate::Amount::OfMemory(share) => AtMost::OfMemory(share),
    })
}

fn algorithm(text: &str) -> Result<Arc<str>, Refused> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.into())
    } else {
        Err(format!("`{}` is not the name of an algorithm", units::short(text)).into())
    }
}

fn listen(text: &str) -> Result<Place, Refused> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(path).map(Place::Unix);
    }
    let address = text.parse().map(Place::Tcp);
    address.map_err(|_| format!("`{}` is not an address with a port", units::short(text)).into())
}

fn currency(text: &str) -> Result<String, Refused> {
    let sound = |c: char| !c.is_whitespace() && !c.is_control();
    if (1..=8).contains(&text.chars().count()) && text.chars().all(sound) {
        Ok(text.into())
    } else {
        Err(format!("`{}` is not a currency", units::short(text)).into())
    }
}

fn absolute(text: &str) -> Result<PathBuf, Refused> {
    if text.starts_with('/') && !text.contains('\0') {
        Ok(text.into())
    } else {
        Err(format!("`{}` is not an absolute path", units::short(text)).into())
    }
}

/// `sockaddr_un` has room for 108 bytes, the last of them NUL.
const SUN_PATH: usize = 107;

fn socket(text: &str) -> Result<PathBuf, Refused> {
    if text.len() > SUN_PATH {
        let message =
            format!("`{}` has {} bytes, more than a socket's path may have", units::short(text), text.len());
        return Err(message.into());
    }
    if text.ends_with('/') {
        return Err(format!("`{text}` is a directory").into());
    }
    absolute(text)
}

/// As useradd(8) and groupadd(8) take it.
const ACCOUNT_CHARS: usize = 32;

fn group(text: &str) -> Result<String, Refused> {
    account(text).ok_or_else(|| format!("`{}` is not the name of a group", units::short(text)).into())
}

fn user(text: &str) -> Result<String, Refused> {
    let number = text.parse::<u32>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit());
    let found = if number { Some(text.to_owned()) } else { account(text) };
    found.ok_or_else(|| format!("`{}` is no user", units::short(text)).into())
}

fn account(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_one = text.starts_with(first) && text.chars().all(allowed) && text.len() <= ACCOUNT_CHARS;
    is_one.then(|| text.to_owned())
}

fn name(text: &str) -> Result<Arc<str>, Refused> {
    let refused = |why: &str| Err(format!("`{}` {why}", units::short(text)).into());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() {
        return Err("the text is empty".to_owned().into());
    }
    if let Some(other) = text.chars().find(|c| !allowed(*c)) {
        return refused(&format!("has the character `{other}`"));
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return refused("begins with neither a letter nor a digit");
    }
    if text.len() > Policy::LONGEST_NAME {
        return refused(&format!("has {} characters", text.len()));
    }
    Ok(text.into())
}

fn pattern(text: &str) -> Result<Vec<Pattern>, Refused> {
    Pattern::parse(text).map_err(|(message, help)| Refused { message, help: Some(help) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tier_is_allowed_and_said_to_be() {
        for tier in TierKind::ALL {
            assert_eq!(TierKind::parse(tier.name()).ok(), Some(tier));
            assert!(TierKind::ALLOWED.contains(&format!("`{tier}`")), "{tier}");
        }
    }
}
