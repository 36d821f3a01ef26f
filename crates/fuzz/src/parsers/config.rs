//! What people write: configuration, sizes, shares, spans, moments.

use std::{fmt::Display, path::Path};

use anyhow::Result;
use jiff::{Zoned, civil::date, tz::TimeZone};
use lowtide_core::{ByteRate, Bytes, Ratio, units::time_span};

use crate::{Corpus, Driver, Parser, driver::text};

pub(super) const PARSERS: &[Parser] = &[
    Parser { name: "policy/yaml", start: |corpus| Ok(yaml(corpus)) },
    Parser {
        name: "core/size",
        start: |_| {
            Ok(text("size", texts(&["256MiB", "4G", "1.5GiB", "0", "17", "4 gib", "2T"]), read::<Bytes>))
        },
    },
    Parser {
        name: "core/share",
        start: |_| Ok(text("share", texts(&["5%", "0.1%", "100%", "0.05", "0.75 %"]), read::<Ratio>)),
    },
    Parser {
        name: "core/rate",
        start: |_| Ok(text("rate", texts(&["4MiB/s", "1GiB/day", "0.5G/h", "256K/min"]), read::<ByteRate>)),
    },
    Parser {
        name: "core/span",
        start: |_| Ok(text("span", texts(&["1h 30m", "30s", "7days", "2months 1us", "250ms"]), time_span)),
    },
    Parser { name: "past/moment", start: moment },
];

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// What is read can be shown, and is the same then as far as it is shown exactly.
fn read<T: std::str::FromStr + Display>(text: &str) -> Result<String, T::Err> {
    text.parse::<T>().map(|value| value.to_string())
}

fn yaml(corpus: &Corpus) -> Driver {
    let seeds = corpus.ending(".yaml");
    text("lowtide.yaml", seeds, |text| {
        // The message that is drawn for people is a part of it.
        lowtide_policy::parse(Path::new("lowtide.yaml"), text).map_err(|problems| problems.to_string())
    })
}

fn moment(_: &Corpus) -> Result<Driver> {
    let seeds = texts(&[
        "03:00",
        "2h ago",
        "-90m",
        "1d 2h ago",
        "2026-11-27T03:00",
        "2026-11-27",
        "2026-11-27T03:00:00Z",
        "7 days",
    ]);
    let now: Zoned = date(2026, 11, 27).at(12, 0, 0, 0).to_zoned(TimeZone::UTC)?;
    Ok(text("moment", seeds, move |text| {
        let at = lowtide_past::time::moment(text, &now).map_err(|error| error.to_string())?;
        Ok::<_, String>(lowtide_past::time::shown(lowtide_past::time::seconds(&at)))
    }))
}
