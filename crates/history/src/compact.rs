//! How sizes, times and shares are written: as whole numbers, which take as many bytes as they need.

/// A size in whole pages of 4 KiB.
pub(crate) mod pages {
    use lowtide_core::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) const PAGE: u64 = Bytes::pages(1).get();

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
    pub(crate) fn serialize<S: Serializer>(size: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        (size.get() / PAGE).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        u64::deserialize(from).map(Bytes::pages)
    }
}

/// As [`pages`], where there may be none.
pub(crate) mod some_pages {
    use lowtide_core::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::pages::PAGE;

    #[expect(clippy::ref_option, reason = "serde gives it so")]
    pub(crate) fn serialize<S: Serializer>(size: &Option<Bytes>, to: S) -> Result<S::Ok, S::Error> {
        size.map(|size| size.get() / PAGE).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Bytes>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Bytes::pages))
    }
}

/// A time in whole seconds.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        time.as_secs().serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

/// A time in whole microseconds.
pub(crate) mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        u64::try_from(time.as_micros()).unwrap_or(u64::MAX).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_micros)
    }
}

/// As [`micros`], where there may be none.
pub(crate) mod some_micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives it so")]
    pub(crate) fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        time.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_micros))
    }
}

/// A share in millionths, up to 4294.
pub(crate) mod millionths {
    use lowtide_core::Ratio;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int saturates")]
    pub(crate) fn count(share: Ratio) -> u32 {
        (share.get() * 1e6).round() as u32
    }

    pub(crate) fn share(count: u32) -> Ratio {
        Ratio::new(f64::from(count) / 1e6)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
    pub(crate) fn serialize<S: Serializer>(share: &Ratio, to: S) -> Result<S::Ok, S::Error> {
        count(*share).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Ratio, D::Error> {
        u32::deserialize(from).map(share)
    }
}

/// As [`millionths`], where there may be none.
pub(crate) mod some_millionths {
    use lowtide_core::Ratio;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::millionths::{count, share};

    #[expect(clippy::ref_option, reason = "serde gives it so")]
    pub(crate) fn serialize<S: Serializer>(found: &Option<Ratio>, to: S) -> Result<S::Ok, S::Error> {
        found.map(count).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Ratio>, D::Error> {
        Ok(Option::<u32>::deserialize(from)?.map(share))
    }
}
