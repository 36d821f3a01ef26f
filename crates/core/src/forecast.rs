//! What `full` would save of a cgroup, and what that would cost: so that an operator who only observes can
//! decide.

use std::time::Duration;

use crate::{
    placement::{Offer, Rates},
    tier::{TierId, TierKind},
    units::{Bytes, Ratio},
};

/// Of anonymous memory, at the full price: what the loop comes to where nothing stands in its way. Page cache
/// is left out, since no source sees its use.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Forecast {
    /// The tier that it would go to first.
    pub kind: TierKind,
    /// Its device.
    pub device: TierId,
    /// From this idle age on it would be worth it.
    pub from: Duration,
    /// Anonymous bytes in DRAM that have been idle for as long, less what is left where it is, and within the
    /// tier's room.
    pub could_go: Bytes,
    /// DRAM that would be freed net of what the tier takes for them.
    pub net: Bytes,
    /// Half of the 95 % interval of `net`, from the source's and from what is not known of its compression;
    /// `None` where the source does not say how wrong it may be.
    pub net_error: Option<Bytes>,
    /// So much would be faulted back in a minute.
    pub refaulted_per_minute: Bytes,
    /// Stall that this would cost, as a share of time.
    pub stall: Ratio,
}

/// What a forecast is made from.
pub(crate) struct Basis<'a> {
    /// The tier, with what compression leaves of this cgroup.
    pub(crate) offer: &'a Offer,
    pub(crate) from: Duration,
    /// Anonymous bytes that have been idle for an age.
    pub(crate) idle: &'a dyn Fn(Duration) -> Bytes,
    pub(crate) rates: Rates,
    /// Of what has been idle, so much stays where it is.
    pub(crate) left_over: Bytes,
    /// More may not go: the tier's room, or what is protected.
    pub(crate) at_most: Bytes,
    /// Half of the interval of what the tier frees by a byte.
    pub(crate) freed_error: Ratio,
    /// Half of the 95 % interval of a number of idle bytes.
    pub(crate) error: &'a dyn Fn(Bytes) -> Option<Bytes>,
}

impl Forecast {
    pub(crate) fn of(basis: &Basis<'_>) -> Self {
        let Basis { offer, from, idle, .. } = *basis;
        let all = idle(from);
        let could_go = (all - basis.left_over).min(basis.at_most);
        let share = could_go.share_of(all).clamped();
        let refaulted = basis.refaulted_per_second() * share.get() * 60.0;
        let pages = refaulted / Bytes::pages(1).as_f64();
        Self {
            kind: offer.kind,
            device: offer.device.clone(),
            from,
            could_go,
            net: could_go.scale(offer.expected),
            net_error: (basis.error)(all)
                .map(|error| both(error.scale(offer.expected), could_go.scale(basis.freed_error))),
            refaulted_per_minute: Bytes::new(1).scale(Ratio::new(refaulted)),
            stall: Ratio::new(pages / 60.0 * offer.fault.time.as_secs_f64()),
        }
    }
}

/// Of two errors that have nothing to do with each other.
fn both(one: Bytes, other: Bytes) -> Bytes {
    Bytes::new(1).scale(Ratio::new(one.as_f64().hypot(other.as_f64())))
}

impl Basis<'_> {
    /// Bytes, of all that has been idle for long enough.
    fn refaulted_per_second(&self) -> f64 {
        let idle = |age: Duration| (self.idle)(age.max(self.from));
        let classes = self.rates.by_age();
        classes.map(|(ages, rate)| (idle(ages.start) - idle(ages.end)).as_f64() * rate).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cost::{Basis as Known, FaultCost},
        reading::CLASSES,
    };

    /// 100 MiB idle for 45 s, 60 for 10 min; touched 0.001 times a second below 5 min, and never above.
    fn forecast(at_most: Bytes) -> Forecast {
        forecast_of_compression(at_most, Ratio::ZERO)
    }

    fn forecast_of_compression(at_most: Bytes, freed_error: Ratio) -> Forecast {
        let offer = Offer {
            kind: TierKind::Zram,
            device: "zram0".into(),
            fault: FaultCost { time: Duration::from_micros(20), basis: Known::Assumed },
            freed: Ratio::percent(60.0),
            expected: Ratio::percent(70.0),
            has_room: true,
            after: Duration::ZERO,
        };
        let idle = |age: Duration| match age.as_secs() {
            0..=45 => Bytes::mib(100),
            46..=600 => Bytes::mib(60),
            _ => Bytes::ZERO,
        };
        let mut rates = [0.0; CLASSES];
        rates[..7].fill(0.001);
        Forecast::of(&Basis {
            offer: &offer,
            from: Duration::from_secs(30),
            idle: &idle,
            rates: Rates::of(rates),
            left_over: Bytes::mib(2),
            at_most,
            freed_error,
            error: &|size| Some(size.scale(Ratio::percent(2.0))),
        })
    }

    #[test]
    fn what_is_idle_for_long_enough_would_go_and_its_returns_are_told() {
        let forecast = forecast(Bytes::MAX);
        assert_eq!(forecast.could_go, Bytes::mib(98));
        assert_eq!(forecast.net, Bytes::mib(98).scale(Ratio::percent(70.0)));
        assert_eq!(forecast.net_error, Some(Bytes::mib(2).scale(Ratio::percent(70.0))));
        // 40 MiB of age classes that are touched again; 0.001 a second, for a minute, of 98 %.
        let expected = 40.0 * 0.001 * 60.0 * 0.98;
        let mib = forecast.refaulted_per_minute.as_f64() / Bytes::mib(1).as_f64();
        assert!((mib - expected).abs() < 0.01, "{mib}");
        assert!((forecast.stall.get() - expected / 60.0 * 256.0 * 20e-6).abs() < 1e-6, "{}", forecast.stall);
    }

    /// Three and four make five: the source is wrong by 1.4 MiB, compression by four thirds of that.
    #[test]
    fn what_is_not_known_of_compression_widens_the_interval() {
        let of_compression = Ratio::new(1.4 * 4.0 / 3.0 / 98.0);
        let error = forecast_of_compression(Bytes::MAX, of_compression).net_error.map(Bytes::as_f64);
        let expected = Bytes::mib(1).as_f64() * 1.4 * 5.0 / 3.0;
        assert!(error.is_some_and(|error| (error - expected).abs() < 4096.0), "{error:?}, {expected}");
    }

    #[test]
    fn no_more_than_there_is_room_for() {
        assert_eq!(forecast(Bytes::mib(49)).could_go, Bytes::mib(49));
        assert_eq!(forecast(Bytes::ZERO).refaulted_per_minute, Bytes::ZERO);
    }
}
