use lowtide_core::Bytes;
use lowtide_kernfs::{
    Fault, Files, Result, Root,
    parse::{bytes, columns, integer, switch},
};

const HOT_ADD: &str = "sys/class/zram-control/hot_add";
const HOT_REMOVE: &str = "sys/class/zram-control/hot_remove";

/// How a zram device is set up, or is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZramDevice {
    /// `zram0`.
    pub name: String,
    /// diskseq: no two disks of one boot have the same (5.15 and later), so a device that was removed and one
    /// that took its name are told apart.
    pub sequence: u64,
    /// initstate: it has a size, and what has to be set before that is fixed.
    pub set_up: bool,
    /// disksize; nothing if it is not set up.
    pub size: Bytes,
    /// comp_algorithm: the one in brackets.
    pub algorithm: String,
    /// comp_algorithm: all that this kernel offers.
    pub algorithms: Vec<String>,
    /// backing_dev, if there is one: a path.
    pub backing: Option<String>,
    /// The kernel has backing_dev (CONFIG_ZRAM_WRITEBACK).
    pub can_back: bool,
    /// DRAM that it takes, all told.
    pub resident: Bytes,
    /// mem_limit, as mm_stat shows it.
    pub limit: Option<Bytes>,
}

impl ZramDevice {
    /// The device `name`; `None` if there is none, or it goes away meanwhile.
    pub fn read(root: &Root, name: &str) -> Result<Option<Self>> {
        match Self::look(root, name) {
            Err(error) if error.is_gone() => Ok(None),
            other => other,
        }
    }

    fn look(root: &Root, name: &str) -> Result<Option<Self>> {
        let file = |file: &str| format!("sys/block/{name}/{file}");
        let Some(set_up) = root.parse_record(file("initstate"), switch)? else { return Ok(None) };
        let (algorithm, algorithms) = root.parse(file("comp_algorithm"), choice)?;
        let backing = root.read_record(file("backing_dev"))?;
        let path = backing.as_deref().map(str::trim_end).filter(|path| *path != "none");
        // mem_limit itself is write-only; the fourth number of mm_stat shows it (`mm_stat_show`,
        // drivers/block/zram/zram_drv.c).
        let [_, _, resident, limit] = root.parse_record(file("mm_stat"), columns)?.unwrap_or([0_u64; 4]);
        Ok(Some(Self {
            name: name.to_owned(),
            sequence: root.parse(file("diskseq"), integer)?,
            set_up,
            size: root.parse(file("disksize"), bytes)?,
            algorithm,
            algorithms,
            backing: path.map(str::to_owned),
            can_back: backing.is_some(),
            resident: Bytes::new(resident),
            limit: (limit > 0).then(|| Bytes::new(limit)),
        }))
    }

    /// Its file in /dev.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/dev/{}", self.name)
    }
}

/// `lzo lzo-rle [lz4] zstd`: the one in brackets, and all of them.
fn choice(text: &str) -> Result<(String, Vec<String>), Fault> {
    let bare = |word: &str| word.trim_matches(['[', ']']).to_owned();
    let words = || text.split_ascii_whitespace();
    let chosen = words().find(|word| word.starts_with('['));
    let chosen = chosen.ok_or_else(|| Fault::whole(text, "a list with one word in brackets"))?;
    Ok((bare(chosen), words().map(bare).collect()))
}

/// The names of all zram devices, by number.
pub fn zram_names(root: &Root) -> Result<Vec<String>> {
    let entries = match root.dir("sys/block").and_then(|dir| dir.entries()) {
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        other => other?,
    };
    // They are links.
    let names = entries.files.iter().chain(&entries.directories);
    let mut numbers: Vec<u32> = names.filter_map(|name| name.strip_prefix("zram")?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers.into_iter().map(|number| format!("zram{number}")).collect())
}

/// All zram devices, by number.
pub fn zram_devices(root: &Root) -> Result<Vec<ZramDevice>> {
    let names = zram_names(root)?;
    names.iter().filter_map(|name| ZramDevice::read(root, name).transpose()).collect()
}

/// Whether the module zram is there, with or without devices.
pub fn zram_is_there(root: &Root) -> Result<bool> {
    root.exists(HOT_ADD)
}

/// Makes a new device with the lowest free number and returns its name. A read that does something: hot_add
/// is made so.
pub fn add_zram(root: &Root) -> Result<String> {
    let number = root.parse(HOT_ADD, integer)?;
    Ok(format!("zram{number}"))
}

/// Resets a device and removes it. EBUSY while somebody has it open (`zram_remove`,
/// drivers/block/zram/zram_drv.c).
pub fn remove_zram(root: &Root, name: &str) -> Result<()> {
    root.write(HOT_REMOVE, name.trim_start_matches("zram"))
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
