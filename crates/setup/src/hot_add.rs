//! Makes a zram device, and records it before it is there.

use lowtide_core::Bytes;
use lowtide_kernfs::Files;
use lowtide_tiers::ZramDevice;

use crate::{
    SetupError,
    deeds::{Deed, Deeds},
    kernel::Kernel,
};

/// Makes a device of the name that is free now. It is recorded by name before, and by its diskseq as soon as
/// it is there.
pub(super) fn add_zram(
    kernel: &mut impl Kernel,
    deeds: &mut Deeds,
    name: &str,
    size: Bytes,
) -> Result<Result<(), String>, SetupError> {
    let intent = Deed::Zram { name: name.to_owned(), sequence: None, size };
    deeds.note(intent.clone())?;
    let made = match kernel.add_zram() {
        Ok(made) => made,
        Err(error) => {
            deeds.forget(&intent)?;
            return Ok(Err(error.to_string()));
        }
    };
    let sequence = ZramDevice::read(kernel.root(), &made)?.map(|device| device.sequence);
    deeds.replace(&intent, Deed::Zram { name: made.clone(), sequence, size })?;
    if made != name {
        return Ok(Err(format!(
            "it became {made}: something else makes zram devices just now; run it again"
        )));
    }
    Ok(Ok(()))
}

/// The lowest free name.
pub(super) fn free_name(kernel: &impl Kernel) -> Result<String, SetupError> {
    let mut number = 0_u32;
    while kernel.root().exists(format!("sys/block/zram{number}"))? {
        number += 1;
    }
    Ok(format!("zram{number}"))
}
