use std::{collections::HashMap, fmt::Write as _};

use lowtide_core::{Action, Decision, Reason};

/// What came of the turns, as it is compared.
#[derive(Debug, Default)]
pub(super) struct Told {
    text: String,
    last: HashMap<String, (&'static str, Reason)>,
}

impl Told {
    pub(super) fn line(&mut self, line: impl std::fmt::Display) {
        writeln!(self.text, "{line}").unwrap();
    }

    /// Lines without what a clock or a processor says.
    pub(super) fn block(&mut self, head: &str, text: &str) {
        self.line(format_args!("--- {head}"));
        for line in text.lines().filter(|line| !line.contains("CPU")) {
            self.line(without_time(line));
        }
    }

    /// What the log has of it.
    pub(super) fn warned(&mut self, turn: u64, lines: &[String]) {
        for line in lines.iter().filter(|line| line.starts_with("WARN") || line.starts_with("ERROR")) {
            self.line(format_args!("turn {turn}: {line}"));
        }
    }

    /// A decision, where it differs from the one before by more than amounts.
    pub(super) fn decided(&mut self, turn: u64, decision: &Decision) {
        let now = (decision.action.name(), decision.reason);
        if self.last.insert(decision.path.to_string(), now) == Some(now) {
            return;
        }
        let scope = match decision.action {
            Action::Hold => String::new(),
            Action::Reclaim { scope, .. } => format!(" {scope:?}"),
        };
        let (action, reason) = now;
        self.line(format_args!(
            "turn {turn}: {} {action}{scope}, reason {} {}",
            decision.path,
            reason.number(),
            reason.name()
        ));
    }

    /// Writes in their order, but for requests to several cgroups, which run at once. Chunks of one request
    /// are added up, since their sizes follow the clock.
    pub(super) fn written(&mut self, turn: u64, writes: &mut [(String, String)]) {
        let is_request = |(path, _): &(String, String)| path.ends_with("memory.reclaim");
        for requests in writes.chunk_by_mut(|one, next| is_request(one) && is_request(next)) {
            requests.sort_by(|one, other| one.0.cmp(&other.0));
        }
        let mut sums: Vec<(&str, u64, &str)> = Vec::new();
        for (path, text) in writes {
            let (number, rest) = text.split_once(' ').unwrap_or((text, ""));
            let amount = number.parse::<u64>().ok().filter(|_| path.ends_with("memory.reclaim"));
            match (amount, sums.last_mut()) {
                (Some(amount), Some(last)) if (last.0, last.2) == (path, rest) => last.1 += amount,
                (Some(amount), _) => sums.push((path, amount, rest)),
                (None, _) => {
                    self.sums(turn, &mut sums);
                    self.line(format_args!("turn {turn}: {path} < {}", text.trim_end()));
                }
            }
        }
        self.sums(turn, &mut sums);
    }

    fn sums(&mut self, turn: u64, sums: &mut Vec<(&str, u64, &str)>) {
        for (path, amount, rest) in sums.drain(..) {
            self.line(format_args!("turn {turn}: {path} < {amount} {rest}").to_string().trim_end());
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// `freed in 2.7 ms (less)` is `freed (less)`.
fn without_time(line: &str) -> String {
    let Some((head, rest)) = line.split_once(" in ") else { return line.to_owned() };
    rest.split_once(" ms").map_or_else(|| line.to_owned(), |(_, tail)| format!("{head}{tail}"))
}
