//! Writing: one thread, one connection, many requests' writes in each commit.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::allowance::Allowances;
use crate::claim::{self, Claim};
use crate::config::StoreConfig;
use crate::control::Until;
use crate::datum::{Cells, Datum};
use crate::error::{Constraint, StoreError};
use crate::fair::{FairQueue, Next};
use crate::lease::Request;
use crate::log::{self, Log};
use crate::owner::{Owner, Statement};
use crate::readers::Job;
use crate::session::Session;
use crate::share::{HOST_LANE, Taker};

/// The writing connection, inside a transaction, for one unit of work.
#[derive(Debug)]
pub struct Work<'s> {
    pub(crate) session: &'s mut Session,
    pub(crate) deadline: Instant,
    pub(crate) marks: &'s Marks,
}

impl Work<'_> {
    /// Runs a statement as [`Session::run`] does, under the unit's deadline.
    pub fn run<'p, E: From<StoreError>>(
        &mut self,
        statement: &Statement,
        params: impl IntoIterator<Item = Datum<'p>>,
        row: impl FnMut(&Cells<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.session.run(statement, Until::deadline(self.deadline), params, row)
    }

    /// Looks at a statement that an app wrote, as [`Session::look_at`] does.
    pub fn look_at(&mut self, statement: &Statement, places: usize) -> Result<Vec<String>, StoreError> {
        self.session.look_at(statement, places, false)
    }

    /// Lets nothing of this unit run past `deadline`, which can only come earlier than the unit's own.
    pub fn no_later_than(&mut self, deadline: Instant) {
        self.deadline = self.deadline.min(deadline);
    }

    /// Whether a deferred foreign key points nowhere at this moment.
    pub fn has_dangling_keys(&mut self) -> bool {
        self.session.has_dangling_keys()
    }

    /// Runs `part`; where it fails, nothing of it remains, and the unit goes on.
    pub fn atomic<T, E: From<StoreError>>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let marks = self.marks;
        control_statement(self.session, &marks.inner)?;
        let result = part(self);
        // An interrupted write makes SQLite roll back the whole transaction: then there is no mark to go back to.
        if !self.session.is_autocommit() {
            if result.is_err() {
                control_statement(self.session, &marks.back_inner)?;
            }
            control_statement(self.session, &marks.forget_inner)?;
        }
        result
    }
}

/// The statements that begin and end things, with an identity each, so that they stay prepared.
#[derive(Debug)]
pub(crate) struct Marks {
    begin: Statement,
    commit: Statement,
    rollback: Statement,
    member: Statement,
    back: Statement,
    forget: Statement,
    inner: Statement,
    back_inner: Statement,
    forget_inner: Statement,
}

impl Marks {
    fn new() -> Self {
        let host = |sql: &'static str| Statement::of_host(sql);
        Self {
            begin: host("BEGIN IMMEDIATE"),
            commit: host("COMMIT"),
            rollback: host("ROLLBACK"),
            member: host("SAVEPOINT member"),
            back: host("ROLLBACK TO member"),
            forget: host("RELEASE member"),
            inner: host("SAVEPOINT inner_part"),
            back_inner: host("ROLLBACK TO inner_part"),
            forget_inner: host("RELEASE inner_part"),
        }
    }
}

/// Beginning and ending has no deadline of its own: it is short, and a commit must not be stopped halfway.
pub(crate) fn control_statement(session: &mut Session, statement: &Statement) -> Result<(), StoreError> {
    let until = Until::deadline(Instant::now() + Duration::from_secs(600));
    session.run(statement, until, [], |_| Ok(())).map(drop)
}

/// One request's write in a group. It may run more than once: a neighbour that is interrupted takes with it what ran
/// before, which then runs again without that neighbour.
pub(crate) trait Member: Send {
    fn owner(&self) -> Option<&Arc<Owner>>;
    /// Whether anybody still wants it.
    fn begin(&self) -> bool;
    /// Whether it shares a commit with others.
    fn is_alone(&self) -> bool;
    /// Runs it and keeps the result. `true` where it succeeded.
    fn run(&mut self, work: &mut Work<'_>) -> bool;
    /// Replaces the result with an error.
    fn fail(&mut self, error: StoreError);
    /// Tells the request.
    fn reply(self: Box<Self>);
}

struct Write<T, E, F, R> {
    owner: Option<Arc<Owner>>,
    claim: Arc<Claim>,
    alone: bool,
    job: F,
    result: Option<Result<T, E>>,
    reply: R,
}

impl<T, E, F, R> Member for Write<T, E, F, R>
where
    T: Send,
    E: From<StoreError> + Send,
    F: FnMut(&mut Work<'_>) -> Result<T, E> + Send,
    R: FnOnce(Result<T, E>) + Send,
{
    fn owner(&self) -> Option<&Arc<Owner>> {
        self.owner.as_ref()
    }

    fn begin(&self) -> bool {
        self.claim.begin()
    }

    fn is_alone(&self) -> bool {
        self.alone
    }

    fn run(&mut self, work: &mut Work<'_>) -> bool {
        let job = &mut self.job;
        let result = catch_unwind(AssertUnwindSafe(|| job(work)));
        let result = result.unwrap_or_else(|_| Err(StoreError::Internal("the write panicked".into()).into()));
        let good = result.is_ok();
        self.result = Some(result);
        good
    }

    fn fail(&mut self, error: StoreError) {
        self.result = Some(Err(error.into()));
    }

    fn reply(self: Box<Self>) {
        let lost = || Err(StoreError::Internal("the write never ran".into()).into());
        (self.reply)(self.result.unwrap_or_else(lost));
    }
}

/// Others had the connection for too long.
pub(crate) fn late() -> StoreError {
    StoreError::Busy("no connection was free in time")
}

pub(crate) enum Entry {
    Write(Box<dyn Member>),
    Lease(Request),
}

/// The door to the writing thread.
pub(crate) struct Writer {
    queue: Arc<FairQueue<Entry>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(
        session: Session,
        path: &Path,
        readers: &Arc<FairQueue<Job>>,
        config: &StoreConfig,
    ) -> Result<Self, StoreError> {
        let log = Log::new(readers.clone(), path.to_path_buf(), u64::from(config.log_kib) << 10);
        let queue = Arc::new(FairQueue::new(config.max_waiting, usize::MAX));
        let mut thread = Thread {
            session,
            marks: Marks::new(),
            queue: queue.clone(),
            slow: HashMap::new(),
            parts: Vec::new(),
            config: config.clone(),
            log,
            allowances: Allowances::new(Duration::from_millis(config.hold_ms_per_minute), config.most_short()),
        };
        thread.session.control().serve(queue.crowd().clone());
        let thread = std::thread::Builder::new()
            .name("db-write".into())
            .spawn(move || {
                host_core::priority::brisk();
                thread.serve();
            })
            .map_err(|e| StoreError::Internal(format!("starting a thread: {e}")))?;
        Ok(Self { queue, thread: Some(thread) })
    }

    pub(crate) async fn write<T, E>(
        &self,
        owner: &Arc<Owner>,
        deadline: Instant,
        job: impl FnMut(&mut Work<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let claim = Claim::new();
        let owner = owner.clone();
        let taker = owner.taker();
        let reply = move |result| drop(reply.send(result));
        let write = Write { owner: Some(owner), claim: claim.clone(), alone: false, job, result: None, reply };
        self.enter(&taker, Entry::Write(Box::new(write)))?;
        claim::answer(claim, answer, deadline, late).await
    }

    pub(crate) fn write_as_host<T, E>(
        &self,
        job: impl FnMut(&mut Work<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        // Not a future's channel: that one refuses to block a thread which drives futures, and this is called at start-up
        // and in tests, where blocking such a thread for a moment does no harm.
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        let reply = move |result| drop(reply.send(result));
        let write = Write { owner: None, claim: Claim::new(), alone: true, job, result: None, reply };
        self.enter(&Taker::host(), Entry::Write(Box::new(write)))?;
        let lost = |_| Err(StoreError::Internal("the database thread gave no answer".into()).into());
        answer.recv().unwrap_or_else(lost)
    }

    pub(crate) fn enter(&self, taker: &Taker, entry: Entry) -> Result<(), StoreError> {
        self.queue.push(taker, entry).map_err(|_| StoreError::Busy("too many writes wait for the connection"))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

pub(crate) struct Thread {
    pub(crate) session: Session,
    pub(crate) marks: Marks,
    queue: Arc<FairQueue<Entry>>,
    /// What the latest write of a lane took, where it took longer than a commit. One that took its neighbours' work along took for ever.
    slow: HashMap<u64, Duration>,
    /// What each member of the latest group took, by lane.
    parts: Vec<(u64, Duration)>,
    pub(crate) config: StoreConfig,
    log: Log,
    allowances: Allowances,
}

impl Thread {
    fn serve(&mut self) {
        loop {
            let time = if self.log.is_holding() { log::ATTEMPT } else { Duration::from_secs(3_600) };
            let (taker, entry) = match self.queue.pop_within(time) {
                Next::Entry(taker, entry) => (taker, entry),
                Next::Nothing => {
                    self.log.tidy(&mut self.session);
                    continue;
                }
                Next::Over => return,
            };
            self.queue.done(&taker);
            match entry {
                Entry::Lease(request) => self.lend(request),
                Entry::Write(first) if first.begin() => {
                    let alone = first.is_alone();
                    let mut first = Some(first);
                    let lost = self.run_group(|thread, late| match first.take() {
                        None if !alone => thread.joining(late),
                        first => first,
                    });
                    self.run_again(lost);
                }
                // Nobody wants it any more.
                Entry::Write(_) => {}
            }
            self.log.tidy(&mut self.session);
        }
    }

    /// The next write, if it is one that may share the commit of the group that runs. Once it is `late`, others' that wait
    /// already and are soon done still come along: a commit of their own would take them longer.
    fn joining(&self, late: bool) -> Option<Box<dyn Member>> {
        let longest = |lane| match self.has_company(lane) {
            true => self.allowances.commit_time(),
            false => self.config.group_time(),
        };
        loop {
            let fits = |lane, entry: &Entry| match entry {
                // Those that are done don't wait for what probably takes long, or takes their work: it begins the next group.
                Entry::Write(member) => {
                    let has_had_its_time = late && self.parts.iter().any(|(of, _)| *of == lane);
                    let is_slow = self.slow.get(&lane).is_some_and(|took| *took >= longest(lane));
                    !(member.is_alone() || has_had_its_time || is_slow)
                }
                Entry::Lease(_) => false,
            };
            let (taker, entry) = self.queue.pop_if(fits)?;
            self.queue.done(&taker);
            if let Entry::Write(member) = entry
                && member.begin()
            {
                return Some(member);
            }
        }
    }

    /// Runs what `next` gives, which is told whether the group has lasted as long as it may, and commits it. Returns the members
    /// whose work is lost because the last one was interrupted; all others have their answers then.
    fn run_group(&mut self, mut next: impl FnMut(&Self, bool) -> Option<Box<dyn Member>>) -> Vec<Box<dyn Member>> {
        self.parts.clear();
        if let Err(error) = self.begin() {
            // They would all wait as long for the same lock.
            for mut member in std::iter::from_fn(|| next(self, false)).take(self.config.max_group) {
                member.fail(error.clone());
                member.reply();
            }
            return Vec::new();
        }
        let began = Instant::now();
        let (mut ran, mut good) = (Vec::new(), Vec::new());
        while ran.len() < self.config.max_group
            && let Some(mut member) = next(self, !ran.is_empty() && began.elapsed() >= self.group_time())
        {
            match self.run_member(member.as_mut()) {
                Fate::Good => good.push(ran.len()),
                Fate::Bad => {}
                Fate::TookAll => {
                    self.session.recover();
                    member.reply();
                    // The others run once more, and count then.
                    if let Some((lane, took)) = self.parts.pop() {
                        self.was_in_the_way(lane, took);
                    }
                    return ran;
                }
            }
            ran.push(member);
        }
        self.end_group(ran, &good);
        Vec::new()
    }

    /// Whether other apps' writes in the group wait for the same commit.
    fn has_company(&self, lane: u64) -> bool {
        self.parts.iter().any(|(other, _)| *other != lane)
    }

    /// How long the group that runs may take: those whose turn it isn't yet want to be in the next one.
    fn group_time(&self) -> Duration {
        if self.is_crowded() { self.allowances.commit_time() } else { self.config.group_time() }
    }

    fn end_group(&mut self, mut ran: Vec<Box<dyn Member>>, good: &[usize]) {
        for at in 0..self.parts.len() {
            let (lane, took) = self.parts[at];
            self.was_in_the_way(lane, took);
        }
        if good.is_empty() {
            self.session.recover();
        } else {
            match self.commit() {
                Ok(()) => good.iter().filter_map(|index| ran[*index].owner()).for_each(|owner| owner.committed()),
                Err(error) => good.iter().for_each(|index| ran[*index].fail(error.clone())),
            }
        }
        if ran.first().is_some_and(|first| self.has_company(lane(first.as_ref()))) {
            // Who took least comes first: waking up all of who took most keeps the processors busy.
            let took = |of| self.parts.iter().filter(|(lane, _)| *lane == of).map(|(_, took)| *took).sum::<Duration>();
            ran.sort_by_cached_key(|member| took(lane(member.as_ref())));
        }
        for member in ran {
            member.reply();
        }
    }

    /// Runs members again whose work was lost. Those of one app are together, so that no app loses the others' work a
    /// second time; those that lose it to their own app a second time run one by one.
    fn run_again(&mut self, mut lost: Vec<Box<dyn Member>>) {
        // Keeps the order within an app.
        lost.sort_by_key(|member| lane(member.as_ref()));
        let mut waiting = VecDeque::from(lost);
        while let Some(app) = waiting.front().map(|member| lane(member.as_ref())) {
            let lost = self.run_group(|_, late| waiting.pop_front_if(|member| !late && lane(member.as_ref()) == app));
            for member in lost {
                let mut only = Some(member);
                self.run_group(|_, _| only.take());
            }
        }
    }

    /// Runs one, and remembers what it cost the others.
    fn run_member(&mut self, member: &mut dyn Member) -> Fate {
        let (began, lane) = (Instant::now(), lane(member));
        let yields = self.begin_hold(lane, self.has_company(lane), began);
        let fate = self.try_member(member, yields);
        let took = began.elapsed();
        self.parts.push((lane, took));
        // The host's own work is rare and waits for nobody longer than for its turn.
        if lane != HOST_LANE {
            self.queue.charge(lane, took);
            if matches!(fate, Fate::TookAll) {
                self.slow.insert(lane, Duration::MAX);
            } else if took >= self.allowances.commit_time() {
                self.slow.insert(lane, took);
            } else {
                self.slow.remove(&lane);
            }
        }
        fate
    }

    /// `lane` has the connection from now on; it yields from then on, where others wait.
    pub(crate) fn begin_hold(&mut self, lane: u64, company: bool, began: Instant) -> Option<Instant> {
        self.queue.attend(lane, company);
        let left = self.allowances.left(lane, began);
        (lane != HOST_LANE).then(|| began + self.config.group_time() + left)
    }

    /// The commit of the latest group took so long. Where it is one of the longer ones each app in the group is charged for as
    /// much as it wrote, and that is about how long its writes took.
    fn share_out(&mut self, time: Duration) {
        let time = self.allowances.counting_of_commit(time);
        if time.is_zero() {
            return;
        }
        let all: Duration = self.parts.iter().map(|(_, took)| *took).sum();
        for at in 0..self.parts.len() {
            let (lane, took) = self.parts[at];
            let part = time.mul_f64(took.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE));
            if lane != HOST_LANE {
                self.queue.charge(lane, part);
                self.spend(lane, part);
            }
        }
    }

    /// `lane` had the connection for so long. The host's own work is rare.
    fn was_in_the_way(&mut self, lane: u64, time: Duration) {
        let time = self.allowances.counting(time);
        if !time.is_zero() && lane != HOST_LANE {
            self.spend(lane, time);
        }
    }

    /// Takes `time` from what `lane` has left, where others are about whom it could be in the way of.
    fn spend(&mut self, lane: u64, time: Duration) {
        let now = Instant::now();
        if self.queue.others_are_about(lane)
            && let Some(rest) = self.allowances.spend(lane, time, now)
        {
            self.queue.rest(lane, now + rest);
        }
    }

    /// A lease of `lane` lasted so long, its commit aside.
    pub(crate) fn end_lease(&mut self, lane: u64, took: Duration) {
        self.parts.clear();
        self.parts.push((lane, took));
        self.queue.charge(lane, took);
        self.was_in_the_way(lane, took);
    }

    pub(crate) fn is_crowded(&self) -> bool {
        self.queue.crowd().waits()
    }

    fn try_member(&mut self, member: &mut dyn Member, yields: Option<Instant>) -> Fate {
        if let Err(error) = control_statement(&mut self.session, &self.marks.member) {
            member.fail(error);
            return Fate::TookAll;
        }
        let time = if member.owner().is_some() { self.config.write_time() } else { Duration::from_secs(600) };
        let mut work = Work { session: &mut self.session, deadline: Instant::now() + time, marks: &self.marks };
        work.session.control().yield_from(yields);
        let mut good = member.run(&mut work);
        self.session.control().yield_from(None);
        if self.session.is_autocommit() {
            if good {
                member.fail(StoreError::Internal("the write ended its transaction".into()));
            }
            return Fate::TookAll;
        }
        if good && self.session.has_dangling_keys() {
            member.fail(StoreError::Constraint { kind: Constraint::ForeignKey, subject: String::new() });
            good = false;
        }
        let undone = if good { Ok(()) } else { control_statement(&mut self.session, &self.marks.back) };
        let ended = undone.and_then(|()| control_statement(&mut self.session, &self.marks.forget));
        match ended {
            Ok(()) if good => Fate::Good,
            Ok(()) => Fate::Bad,
            Err(error) => {
                member.fail(error);
                Fate::TookAll
            }
        }
    }

    pub(crate) fn begin(&mut self) -> Result<(), StoreError> {
        // A transaction that is still open here would be a mistake of ours; nobody else may inherit it.
        if !self.session.is_autocommit() {
            self.session.recover();
        }
        control_statement(&mut self.session, &self.marks.begin)
    }

    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        let (began, pages) = (Instant::now(), self.session.log_pages().get());
        let result = control_statement(&mut self.session, &self.marks.commit).map_err(|error| match error {
            // The frames may have reached the file before the disk failed.
            StoreError::Internal(text) => StoreError::UnknownOutcome(text),
            other => other,
        });
        match &result {
            // Where nothing was written it tells nothing about the disk.
            Ok(()) if self.session.log_pages().get() == pages => {}
            Ok(()) => self.allowances.committed(began.elapsed()),
            Err(error) => {
                tracing::error!(%error, "a commit failed");
                self.session.recover();
            }
        }
        self.share_out(began.elapsed());
        result
    }

    pub(crate) fn rollback(&mut self) {
        if !self.session.is_autocommit()
            && let Err(error) = control_statement(&mut self.session, &self.marks.rollback)
        {
            tracing::error!(%error, "rolling back failed");
            self.session.recover();
        }
    }
}

fn lane(member: &dyn Member) -> u64 {
    member.owner().map_or(HOST_LANE, |owner| owner.lane())
}

enum Fate {
    Good,
    Bad,
    /// The whole transaction is gone, with what ran in it before.
    TookAll,
}
