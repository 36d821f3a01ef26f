//! What holds for every sequence of observations, however absurd.

#[cfg(test)]
mod generate;
#[cfg(test)]
mod invariants;
