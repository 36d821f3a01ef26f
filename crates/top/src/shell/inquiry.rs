use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use super::rhythm::Rhythm;
use crate::sample::{Daemon, Silence, Status};

/// How the daemon is asked for its status as JSON: the text, or why there is none.
pub type Ask = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// A daemon that takes longer is shown as silent until its answer comes: the kernel's figures do not wait for
/// it.
const PATIENCE: Duration = Duration::from_secs(2);

/// One question at a time to the daemon.
pub(super) struct Inquiry {
    socket: PathBuf,
    ask: Ask,
    open: Option<Open>,
    rhythm: Rhythm,
    last: Option<Box<Status>>,
}

/// A question without an answer so far.
struct Open {
    since: Instant,
    answer: Receiver<Result<String, String>>,
}

impl Inquiry {
    /// Of the daemon at `socket`.
    pub(super) fn new(socket: PathBuf, ask: Ask) -> Self {
        Self { socket, ask, open: None, rhythm: Rhythm::default(), last: None }
    }

    /// What it answers, or what it answered last if it can hardly have anything new to tell.
    pub(super) fn answer_in_turn(&mut self, now: Duration) -> Daemon {
        if let Some(last) = self.last.clone().filter(|_| !self.rhythm.is_due(now)) {
            return Daemon::Answers(last);
        }
        let answer = self.answer();
        self.last = match &answer {
            Daemon::Answers(status) => {
                self.rhythm.answered(status, now);
                Some(status.clone())
            }
            Daemon::Silent(_) => {
                self.rhythm.silent();
                None
            }
        };
        answer
    }

    /// What it answers now.
    pub(super) fn answer(&mut self) -> Daemon {
        let understood = |text: String| Status::parse(&text).map_err(|error| error.to_string());
        match self.text().and_then(understood) {
            Ok(status) => Daemon::Answers(Box::new(status)),
            Err(why) => Daemon::Silent(Silence { socket: self.socket.clone(), why }),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let open = self.open.take().unwrap_or_else(|| Open::ask(&self.ask));
        match open.answer.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                let seconds = open.since.elapsed().as_secs();
                self.open = Some(open);
                Err(format!("it has not answered for {seconds} s"))
            }
            Err(RecvTimeoutError::Disconnected) => Err("it could not be asked".to_owned()),
        }
    }
}

impl Open {
    fn ask(ask: &Ask) -> Self {
        let (sender, answer) = mpsc::channel();
        let ask = Arc::clone(ask);
        // Nobody waits for it longer than for its answer.
        thread::spawn(move || sender.send(ask()));
        Self { since: Instant::now(), answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(inquiry: &mut Inquiry) -> String {
        match inquiry.answer() {
            Daemon::Silent(Silence { why, .. }) => why,
            Daemon::Answers(_) => panic!("it answers"),
        }
    }

    #[test]
    fn what_cannot_be_asked_is_told() {
        let mut refused = Inquiry::new("/s".into(), Arc::new(|| Err("refused".to_owned())));
        assert_eq!(silent(&mut refused), "refused");
        let mut garbled = Inquiry::new("/s".into(), Arc::new(|| Ok("x".to_owned())));
        assert!(silent(&mut garbled).contains("not understood"));
    }

    #[test]
    fn a_late_answer_is_waited_for_and_nobody_asked_twice() {
        let (asked, questions) = mpsc::channel();
        let (answer, answers) = mpsc::channel::<String>();
        let answers = std::sync::Mutex::new(answers);
        let ask: Ask = Arc::new(move || {
            asked.send(()).unwrap();
            Err(answers.lock().unwrap().recv().unwrap())
        });
        let mut slow = Inquiry::new("/s".into(), ask);
        assert!(silent(&mut slow).contains("not answered for"));
        answer.send("late".to_owned()).unwrap();
        assert_eq!(silent(&mut slow), "late");
        assert_eq!(questions.try_iter().count(), 1);
    }
}
