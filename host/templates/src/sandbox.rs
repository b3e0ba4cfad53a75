//! The engine behind its wall: compiled once for the process, one instance for each page that is being made.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use host_store::CodeCache;
use host_templates_sandbox::{Failure, Kind, wire};
use sha2::{Digest, Sha256};
use wasmtime::{
    Caller, Config, Engine, InstancePre, Linker, Memory, Module, ResourceLimiter, Store, Trap, TypedFunc,
    UpdateDeadline,
};

use crate::pace::{Pace, Run};
use crate::page::Answers;

/// The engine as WebAssembly, from `sandbox/`.
static MODULE: &[u8] = include_bytes!(env!("TEMPLATE_ENGINE"));

/// Where its machine code is kept.
static CACHE: OnceLock<Arc<CodeCache>> = OnceLock::new();

/// What a page is told that ran out of time.
pub(crate) const OVER_TIME: &str = "it takes longer than a page may";

/// How often a running engine is asked whether its time is up.
const TICK: Duration = Duration::from_millis(5);
/// Processor time in which the templates of an app must be compiled: 8 MiB of them take some 300 ms.
pub(crate) const LOAD_TIME: Duration = Duration::from_secs(2);

/// The module, compiled and linked.
pub(crate) struct Sandbox {
    engine: Engine,
    ready: InstancePre<State>,
}

/// What an instance's store holds.
struct State {
    answers: Answers,
    limiter: Limiter,
    run: Run,
}

struct Limiter {
    memory_bytes: usize,
    refused: bool,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.memory_bytes;
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The engine's own tables don't grow.
        Ok(desired <= 100_000)
    }
}

impl Sandbox {
    /// From now on its machine code is kept there.
    pub(crate) fn keep_in(cache: Arc<CodeCache>) {
        // The second site of a process finds it compiled.
        let _ = CACHE.set(cache);
    }

    /// The process's sandbox. Where its code isn't kept, the first call compiles it, which takes a second or two; it
    /// depends on nothing but the bytes that the host carries, so all sites of a process share it.
    pub(crate) fn shared() -> Result<&'static Sandbox, &'static str> {
        static SHARED: OnceLock<Result<Sandbox, String>> = OnceLock::new();
        SHARED.get_or_init(|| Sandbox::compile().map_err(|error| format!("{error:#}"))).as_ref().map_err(String::as_str)
    }

    fn compile() -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(true).max_wasm_stack(512 << 10).wasm_backtrace_max_frames(None);
        let engine = Engine::new(&config)?;
        let module = machine_code(&engine)?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "ask", ask)?;
        // The standard library's doors to the system. The engine opens none of them; nothing would be behind.
        for import in module.imports().filter(|import| import.module() != "host") {
            if let wasmtime::ExternType::Func(kind) = import.ty() {
                linker.func_new(import.module(), import.name(), kind, |_, _, results| {
                    for result in results {
                        *result = wasmtime::Val::I32(0);
                    }
                    Ok(())
                })?;
            }
        }
        let ready = linker.instantiate_pre(&module)?;
        let clock = engine.weak();
        std::thread::Builder::new().name("template-clock".into()).spawn(move || {
            while let Some(engine) = clock.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })?;
        Ok(Self { engine, ready })
    }

    /// An instance with `load`ed templates, or what is wrong with them.
    pub(crate) fn start(&self, load: &[u8], memory_bytes: usize, pace: Pace) -> Result<Instance, Vec<Failure>> {
        let mut instance = self.instantiate(memory_bytes, pace.clone()).map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "the template engine can't be started");
            vec![Failure::new(Kind::Budget, "the template engine can't be started")]
        })?;
        let answer = instance.call(Door::Load, load, Answers::default(), pace).map_err(|failure| vec![failure])?;
        let loaded: wire::Loaded = serde_json::from_slice(&answer)
            .map_err(|_| vec![Failure::new(Kind::Syntax, "the template engine gave no answer")])?;
        loaded.map(|()| instance)
    }

    fn instantiate(&self, memory_bytes: usize, pace: Pace) -> wasmtime::Result<Instance> {
        let state = State {
            answers: Answers::default(),
            limiter: Limiter { memory_bytes, refused: false },
            run: Run::begin(pace),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.epoch_deadline_callback(|mut store| {
            let over = store.data_mut().run.is_over();
            Ok(if over { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) })
        });
        store.set_epoch_deadline(1);
        let instance = self.ready.instantiate(&mut store)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| wasmtime::Error::msg("the engine has no memory"))?;
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ())?;
        }
        Ok(Instance {
            room: instance.get_typed_func(&mut store, "room")?,
            free: instance.get_typed_func(&mut store, "give_back")?,
            load: instance.get_typed_func(&mut store, "load_templates")?,
            render: instance.get_typed_func(&mut store, "render_page")?,
            memory,
            store,
        })
    }
}

/// The module's code: from the cache, or compiled now.
fn machine_code(engine: &Engine) -> wasmtime::Result<Module> {
    let Some(cache) = CACHE.get() else { return Module::new(engine, MODULE) };
    let digest = hex::encode(Sha256::digest(MODULE));
    let compatibility = engine.precompile_compatibility_hash();
    if let Some(code) = cache.get(&digest, &compatibility) {
        // SAFETY: the cache belongs to the host alone, nobody else can write to it, and its checksum was right; what lies
        // there under this name was made by this function.
        match unsafe { Module::deserialize(engine, code) } {
            Ok(module) => return Ok(module),
            Err(error) => tracing::warn!("kept code of the template engine can't be used: {error:#}"),
        }
    }
    let code = engine.precompile_module(MODULE)?;
    cache.put(&digest, &compatibility, &code);
    // SAFETY: it comes straight from the compiler.
    unsafe { Module::deserialize(engine, code) }
}

/// Which of the engine's functions to call.
enum Door {
    Load,
    Render,
}

/// One engine with its templates. After a failed call it must not be used again.
pub(crate) struct Instance {
    store: Store<State>,
    memory: Memory,
    room: TypedFunc<u32, u32>,
    free: TypedFunc<(u32, u32), ()>,
    load: TypedFunc<(u32, u32), u64>,
    render: TypedFunc<(u32, u32), u64>,
}

/// How a page came out.
pub(crate) enum Outcome {
    /// The page.
    Page(String),
    /// It followed relations that weren't loaded; the engine is well.
    Needs(Vec<wire::Need>),
    /// The template's fault; the engine is well.
    Failed(Failure),
    /// The wall stopped it; the engine is broken.
    Broken(Failure),
}

impl Instance {
    /// Makes a page of a [`wire::Render`] and its context, joined.
    pub(crate) fn render(&mut self, message: &[u8], answers: Answers, pace: Pace) -> Outcome {
        let mut answer = match self.call(Door::Render, message, answers, pace) {
            Ok(answer) => answer,
            Err(failure) => return Outcome::Broken(failure),
        };
        let garbled = || Outcome::Broken(Failure::new(Kind::Render, "the template engine gave no answer"));
        match answer.pop() {
            Some(0) => String::from_utf8(answer).map_or_else(|_| garbled(), Outcome::Page),
            Some(2) => serde_json::from_slice(&answer).map_or_else(|_| garbled(), Outcome::Needs),
            Some(1) => serde_json::from_slice(&answer).map_or_else(|_| garbled(), Outcome::Failed),
            _ => garbled(),
        }
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    fn call(&mut self, door: Door, message: &[u8], answers: Answers, pace: Pace) -> Result<Vec<u8>, Failure> {
        self.store.set_epoch_deadline(1);
        let state = self.store.data_mut();
        state.answers = answers;
        state.run = Run::begin(pace);
        let result = self.pass(door, message);
        let state = self.store.data_mut();
        state.answers = Answers::default();
        let refused = state.limiter.refused;
        result.map_err(|error| {
            let message = match error.downcast_ref::<Trap>() {
                Some(Trap::Interrupt) => OVER_TIME,
                Some(Trap::StackOverflow) => "it nests more deeply than a page may",
                _ if refused => "it takes more memory than a page may",
                _ => {
                    tracing::error!(error = format!("{error:#}"), "the template engine broke");
                    "it broke the template engine"
                }
            };
            Failure::new(Kind::Budget, message)
        })
    }

    fn pass(&mut self, door: Door, message: &[u8]) -> wasmtime::Result<Vec<u8>> {
        let length = u32::try_from(message.len())?;
        let address = self.room.call(&mut self.store, length)?;
        self.memory.write(&mut self.store, address as usize, message)?;
        let function = match door {
            Door::Load => &self.load,
            Door::Render => &self.render,
        };
        let answer = function.call(&mut self.store, (address, length))?;
        let (address, length) = ((answer >> 32) as u32, answer as u32);
        let bytes = read(self.memory.data(&self.store), address, length)?.to_vec();
        self.free.call(&mut self.store, (address, length))?;
        Ok(bytes)
    }
}

fn read(memory: &[u8], address: u32, length: u32) -> wasmtime::Result<&[u8]> {
    memory
        .get(address as usize..)
        .and_then(|memory| memory.get(..length as usize))
        .ok_or_else(|| wasmtime::Error::msg("an address outside of the memory"))
}

/// Answers a template's question.
fn ask(mut caller: Caller<'_, State>, address: u32, length: u32) -> wasmtime::Result<u64> {
    let memory = caller
        .get_export("memory")
        .and_then(wasmtime::Extern::into_memory)
        .ok_or_else(|| wasmtime::Error::msg("the engine has no memory"))?;
    let question = serde_json::from_slice(read(memory.data(&caller), address, length)?)?;
    let answers = &caller.data().answers;
    let result = match question {
        wire::Ask::Url(name, args) => answers.url(&name, &args),
        wire::Ask::Static(path) => Ok(answers.static_url(&path)),
    };
    let (flag, text) = match result {
        Ok(text) => (0, text),
        Err(text) => (1, text),
    };
    let mut answer = Vec::with_capacity(text.len() + 1);
    answer.push(flag);
    answer.extend_from_slice(text.as_bytes());
    let room = caller
        .get_export("room")
        .and_then(wasmtime::Extern::into_func)
        .ok_or_else(|| wasmtime::Error::msg("the engine has no room"))?
        .typed::<u32, u32>(&caller)?;
    let length = u32::try_from(answer.len())?;
    let address = room.call(&mut caller, length)?;
    memory.write(&mut caller, address as usize, &answer)?;
    Ok(u64::from(address) << 32 | u64::from(length))
}
