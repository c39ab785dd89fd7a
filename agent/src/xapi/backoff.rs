//! How long to wait before trying again. Knows nothing of what is tried.

use std::time::Duration;

use tokio::time::Instant;

/// The longest pause, and how long something must have worked for its next failure to be retried at once.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// The first pause that is not zero.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Pauses that grow: none, then 1, 2, 4, 8, 16 and 20 s, each shortened at random by up to half so that the hosts of
/// a pool do not all come back at the same moment.
///
/// Something that works only briefly does not start the pauses over: a server that accepts and then fails each time
/// is tried less and less often, like one that does not answer.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    works_since: Option<Instant>,
}

impl Backoff {
    /// Notes that it works now.
    pub fn works(&mut self) {
        self.works_since.get_or_insert_with(Instant::now);
    }

    /// Notes that it failed now; returns the pause before the next try.
    pub fn failed(&mut self) -> Duration {
        self.failed_up_to(LONGEST_PAUSE)
    }

    /// As [`Backoff::failed`], with another longest pause.
    pub fn failed_up_to(&mut self, longest: Duration) -> Duration {
        if self.works_since.take().is_some_and(|since| since.elapsed() >= longest) {
            self.failures = 0;
        }
        let pause = full_pause(self.failures, longest);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(1.0 - fastrand::f64() / 2.0)
    }
}

fn full_pause(failures_before: u32, longest: Duration) -> Duration {
    match failures_before {
        0 => Duration::ZERO,
        n => 2_u32
            .checked_pow(n - 1)
            .and_then(|factor| FIRST_PAUSE.checked_mul(factor))
            .map_or(longest, |pause| pause.min(longest)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[test]
    fn full_pauses_double_up_to_the_longest() {
        let seconds: Vec<u64> =
            [0, 1, 2, 3, 4, 5, 6, 7, 40, u32::MAX].map(|n| full_pause(n, LONGEST_PAUSE).as_secs()).to_vec();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 20, 20, 20, 20]);
    }

    #[test]
    fn each_pause_is_between_half_and_all_of_the_full_one_and_not_always_the_same() {
        let mut seen = Vec::new();
        for _ in 0..50 {
            let mut backoff = Backoff { failures: 4, works_since: None };
            let pause = backoff.failed();
            assert!((4.0..=8.0).contains(&pause.as_secs_f64()), "{pause:?}");
            seen.push(pause);
        }
        seen.dedup();
        assert!(seen.len() > 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_after_working_long_is_retried_at_once() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.failed();
        }
        backoff.works();
        advance(LONGEST_PAUSE / 2).await;
        backoff.works();
        advance(LONGEST_PAUSE / 2).await;
        assert_eq!(backoff.failed(), Duration::ZERO);
        assert!(backoff.failed() >= FIRST_PAUSE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn working_briefly_does_not_start_the_pauses_over() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.works();
            advance(Duration::from_secs(1)).await;
            backoff.failed();
        }
        assert!(backoff.failed() >= LONGEST_PAUSE / 2);
    }
}
