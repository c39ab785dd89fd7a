//! When to do what on a live connection: a pure timetable. Must not know engines or XAPI.
//!
//! Events only say that something is due. What is due is done at once, and then at most once in an interval, so that a
//! thousand events cost as much as two. An answer of the engine is wanted every few seconds in any case.

use std::time::Duration;

use tokio::time::Instant;

/// The times of a timetable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The least time from one look at the list of containers to the next, and so from one write to the next.
    pub list_interval: Duration,
    /// The least time from one look at the engine's description to the next: it is longer to make and less missed.
    pub info_interval: Duration,
    /// After so long without an answer the engine is asked for one.
    pub ping_after: Duration,
    /// Both are looked at after so long without any event, in case one was lost on the way.
    pub recheck_after: Duration,
    /// Events read in one [`Times::list_interval`]. A guest that sends more is read on in the next one: its flood then
    /// waits in its own buffers.
    pub events_read: usize,
}

impl Times {
    /// The usual ones.
    pub const USUAL: Self = Self {
        list_interval: Duration::from_secs(1),
        info_interval: Duration::from_secs(5),
        ping_after: Duration::from_secs(5),
        recheck_after: Duration::from_secs(300),
        events_read: 1000,
    };
}

impl Default for Times {
    fn default() -> Self {
        Self::USUAL
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Look at the list of containers, and at the engine's description too if that is due.
    Refresh {
        /// Whether the description is due as well.
        info: bool,
    },
    /// Ask for a sign of life.
    Ping,
}

/// The timetable of one connection.
#[derive(Debug)]
pub struct Agenda {
    times: Times,
    /// When the list was last asked for.
    listed: Option<Instant>,
    /// When the description was last asked for.
    described: Option<Instant>,
    /// Whether the list may have changed since.
    list_due: bool,
    /// Whether the description may have changed since.
    info_due: bool,
    /// When the engine last answered anything.
    answered: Instant,
    /// Nothing is refreshed before, because writing failed.
    not_before: Option<Instant>,
    /// Events that may still be read before the next refresh.
    quota: usize,
}

impl Agenda {
    /// A timetable on which everything is due.
    #[must_use]
    pub fn new(times: Times) -> Self {
        Self {
            times,
            listed: None,
            described: None,
            list_due: true,
            info_due: true,
            answered: Instant::now(),
            not_before: None,
            quota: times.events_read,
        }
    }

    /// Goes by other times from now on.
    pub fn go_by(&mut self, times: Times) {
        self.times = times;
    }

    /// Notes that an event said what may have changed.
    pub fn event(&mut self, list: bool, info: bool) {
        self.list_due |= list;
        self.info_due |= info;
        self.quota = self.quota.saturating_sub(1);
        // Whatever comes while nobody reads must not be missed.
        self.list_due |= self.quota == 0;
    }

    /// Whether events are to be read now.
    #[must_use]
    pub fn reads_events(&self) -> bool {
        self.quota > 0
    }

    /// Notes that everything must be looked at again.
    pub fn everything_is_due(&mut self) {
        (self.list_due, self.info_due) = (true, true);
    }

    /// Notes that somebody waits for a look at the list: it is due at once, whenever the last one was. People cannot ask
    /// as often as containers change.
    pub fn is_asked_for(&mut self) {
        self.listed = None;
        self.list_due = true;
    }

    /// Notes that a step begins now. Events from now on count for the next one.
    pub fn begin(&mut self, step: Step) {
        let now = Instant::now();
        let Step::Refresh { info } = step else { return };
        (self.listed, self.list_due, self.quota) = (Some(now), false, self.times.events_read);
        if info {
            (self.described, self.info_due) = (Some(now), false);
        }
        self.not_before = None;
    }

    /// Notes that the engine answered.
    pub fn answered(&mut self) {
        self.answered = Instant::now();
    }

    /// Notes that what was looked at could not be written: everything is due again, after `pause`.
    pub fn postpone(&mut self, pause: Duration) {
        self.everything_is_due();
        self.not_before = Some(Instant::now() + pause);
    }

    /// What to do next, and when.
    #[must_use]
    pub fn next(&self) -> (Step, Instant) {
        let (list, info) = (self.list_at(), self.info_at());
        let refresh = list.min(info);
        let ping = self.answered + self.times.ping_after;
        if ping < refresh {
            return (Step::Ping, ping);
        }
        (Step::Refresh { info: info <= refresh.max(Instant::now()) }, refresh)
    }

    fn list_at(&self) -> Instant {
        self.due(self.listed, if self.list_due { self.times.list_interval } else { self.times.recheck_after })
    }

    fn info_at(&self) -> Instant {
        // Every refresh looks at the list, so its interval holds for the description as well.
        let own =
            self.due(self.described, if self.info_due { self.times.info_interval } else { self.times.recheck_after });
        own.max(self.due(self.listed, self.times.list_interval))
    }

    fn due(&self, last: Option<Instant>, interval: Duration) -> Instant {
        let regular = last.map_or_else(Instant::now, |last| last + interval);
        self.not_before.map_or(regular, |earliest| regular.max(earliest))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const USUAL: Times = Times::USUAL;
    const LIST_INTERVAL: Duration = USUAL.list_interval;
    const INFO_INTERVAL: Duration = USUAL.info_interval;
    const PING_AFTER: Duration = USUAL.ping_after;
    const RECHECK_AFTER: Duration = USUAL.recheck_after;
    const MOMENT: Duration = Duration::from_millis(100);

    fn in_time(agenda: &Agenda) -> (Step, Duration) {
        let (step, at) = agenda.next();
        (step, at.saturating_duration_since(Instant::now()))
    }

    /// An agenda on which nothing is due.
    fn done() -> Agenda {
        let mut agenda = Agenda::new(USUAL);
        agenda.begin(Step::Refresh { info: true });
        agenda.answered();
        agenda
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_looked_at_in_the_beginning() {
        assert_eq!(in_time(&Agenda::new(USUAL)), (Step::Refresh { info: true }, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_without_events_is_asked_for_a_sign_of_life() {
        assert_eq!(in_time(&done()), (Step::Ping, PING_AFTER));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_after_a_while_is_followed_at_once() {
        let mut agenda = done();
        advance(LIST_INTERVAL).await;
        agenda.event(true, false);
        assert_eq!(in_time(&agenda), (Step::Refresh { info: false }, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_soon_after_a_look_waits_for_the_interval() {
        let mut agenda = done();
        advance(MOMENT).await;
        agenda.event(true, false);
        assert_eq!(in_time(&agenda), (Step::Refresh { info: false }, LIST_INTERVAL - MOMENT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_events_cost_one_look() {
        let mut agenda = done();
        advance(LIST_INTERVAL).await;
        (0..1000).for_each(|_| agenda.event(true, false));
        let (step, _) = agenda.next();
        agenda.begin(step);
        agenda.answered();
        assert_eq!(in_time(&agenda), (Step::Ping, PING_AFTER));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_while_a_look_is_on_its_way_counts_for_the_next() {
        let mut agenda = Agenda::new(USUAL);
        agenda.begin(Step::Refresh { info: true });
        agenda.event(true, false);
        agenda.answered();
        assert_eq!(in_time(&agenda), (Step::Refresh { info: false }, LIST_INTERVAL));
    }

    #[tokio::test(start_paused = true)]
    async fn the_description_has_an_interval_of_its_own() {
        let mut agenda = done();
        advance(LIST_INTERVAL).await;
        agenda.event(true, true);
        assert_eq!(in_time(&agenda), (Step::Refresh { info: false }, Duration::ZERO));
        agenda.begin(Step::Refresh { info: false });
        agenda.answered();
        assert_eq!(in_time(&agenda), (Step::Refresh { info: true }, INFO_INTERVAL - LIST_INTERVAL));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_not_read_on_and_not_forgotten() {
        let mut agenda = done();
        (0..USUAL.events_read).for_each(|_| agenda.event(false, false));
        assert!(!agenda.reads_events());
        assert_eq!(in_time(&agenda), (Step::Refresh { info: false }, LIST_INTERVAL));
        agenda.begin(Step::Refresh { info: false });
        assert!(agenda.reads_events());
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_written_is_looked_at_again_after_the_pause() {
        let mut agenda = done();
        advance(INFO_INTERVAL).await;
        agenda.answered();
        agenda.postpone(LIST_INTERVAL * 3);
        assert_eq!(in_time(&agenda), (Step::Refresh { info: true }, LIST_INTERVAL * 3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_look_does_not_wait_for_the_interval() {
        let mut agenda = done();
        advance(MOMENT).await;
        agenda.is_asked_for();
        assert_eq!(in_time(&agenda), (Step::Refresh { info: false }, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_event_is_made_up_for() {
        let mut agenda = done();
        advance(RECHECK_AFTER - MOMENT).await;
        agenda.answered();
        assert_eq!(in_time(&agenda), (Step::Refresh { info: true }, MOMENT));
    }

    #[tokio::test(start_paused = true)]
    async fn other_times_hold_for_what_is_due_already() {
        let mut agenda = done();
        advance(MOMENT).await;
        agenda.event(true, false);
        agenda.go_by(Times { list_interval: LIST_INTERVAL * 3, ..USUAL });
        assert_eq!(in_time(&agenda), (Step::Refresh { info: false }, LIST_INTERVAL * 3 - MOMENT));
    }
}
