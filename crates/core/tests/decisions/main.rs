//! What one tick decides, case by case, through the public interface alone.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod effects;
mod idle;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod sharing;
mod shortage;
