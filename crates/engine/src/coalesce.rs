//! Things that go out together: the first at once, what follows it at most once per interval.

/// Least time between two messages of one kind.
const INTERVAL_MS: u64 = 10;

/// What waits to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Coalesced<T> {
    waiting: Vec<T>,
    sent_at_ms: Option<u64>,
}

impl<T> Default for Coalesced<T> {
    fn default() -> Self {
        Self { waiting: Vec::new(), sent_at_ms: None }
    }
}

impl<T> Coalesced<T> {
    pub(crate) fn push(&mut self, item: T) {
        self.waiting.push(item);
    }

    /// Everything that waits, if it is due.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Vec<T> {
        if self.waiting.is_empty() || self.due_at_ms().is_some_and(|due_ms| now_ms < due_ms) {
            return Vec::new();
        }
        self.sent_at_ms = Some(now_ms);
        std::mem::take(&mut self.waiting)
    }

    /// When the next message is due; `None` where nothing waits or it may go at once.
    pub(crate) fn due_at_ms(&self) -> Option<u64> {
        let sent_at_ms = self.sent_at_ms.filter(|_| !self.waiting.is_empty())?;
        Some(sent_at_ms.saturating_add(INTERVAL_MS))
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_goes_at_once_and_the_rest_together() {
        let mut items = Coalesced::default();
        items.push(1);
        assert_eq!(items.take_due(100), [1]);
        items.push(2);
        items.push(3);
        assert_eq!((items.take_due(109), items.due_at_ms()), (Vec::new(), Some(110)));
        assert_eq!((items.take_due(110), items.due_at_ms()), (vec![2, 3], None));
    }
}
