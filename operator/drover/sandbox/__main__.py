"""Command line of ``drover sandbox``: a whole cluster on this machine, for trying Drover out and for its tests."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drover.errors import OperatorError
from drover.sandbox import binaries, control, settings, supervise
from drover.sandbox.component import Report
from drover.sandbox.layout import DATA, MAXIMUM_NODES, NAMESPACE, Layout
from drover.sandbox.progress import Progress
from drover.sandbox.settings import Kubelet

HELP = "A whole cluster on this machine, for trying Drover out and for its tests."
FAILURE = 1
PODS = "app.kubernetes.io/part-of=drover"
application = typer.Typer(
    name="drover sandbox", help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None
)

StateDir = Annotated[
    Path | None, typer.Option("--state-dir", help="Where everything is kept; default $DROVER_SANDBOX_DIR or .sandbox.")
]
Names = Annotated[list[str], typer.Argument(metavar="COMPONENT...")]
NodeName = Annotated[str, typer.Argument(metavar="NODE")]


class Output(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"


class Tool(StrEnum):
    """A program that is of use without a sandbox."""

    HELM = "helm"


@application.command()
def up(  # noqa: PLR0913, PLR0917  (the options of a command line)
    state_dir: StateDir = None,
    nodes: Annotated[int | None, typer.Option(min=0, max=MAXIMUM_NODES, help="Hypervisor hosts; default 1.")] = None,
    controllers: Annotated[int | None, typer.Option(min=0, max=9, help="Controller replicas; default 1.")] = None,
    agents: Annotated[bool | None, typer.Option("--agents/--no-agents", help="Run an agent on every node.")] = None,
    drover: Annotated[bool | None, typer.Option("--drover/--no-drover", help="Install Drover.")] = None,
    quickstart: Annotated[
        bool | None, typer.Option("--quickstart/--no-quickstart", help="Start the example guest.")
    ] = None,
    kubelet: Annotated[
        Kubelet | None,
        typer.Option(
            case_sensitive=False, help="What nodes are: Real runs containers, Kwok pretends to; default Real."
        ),
    ] = None,
    set_env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Environment of controllers and agents.")
    ] = None,
) -> None:
    """Raise a sandbox, or bring it to what is asked for; what is not asked for stays as it was."""
    state = state_dir or control.default_state()
    choices = {
        "nodes": nodes,
        "controllers": controllers,
        "agents": agents,
        "drover": drover,
        "quickstart": quickstart,
        "kubelet": kubelet,
        "environment": _pairs(set_env) if set_env else None,
    }
    wanted = settings.merge(state, {name: value for name, value in choices.items() if value is not None})
    asyncio.run(_up(state, wanted))


async def _up(state: Path, wanted: settings.Settings) -> None:
    from drover.sandbox import lifecycle  # noqa: PLC0415  (an HTTP client and cryptography take half a second to load)

    progress = Progress()
    layout = await lifecycle.up(state, wanted, progress)
    if wanted.has_guest:
        await _show_guest(layout)
    progress.console.print(f"up after {progress.total():.1f} s; kubectl for it: {_relative(layout.kubectl)}")


async def _show_guest(layout: Layout) -> None:
    from drover.sandbox import api, install  # noqa: PLC0415  (an HTTP client and cryptography take half a second to load)

    async with api.connect(layout) as connection:
        url, answer = await install.greeting(connection)
    _say(await install.kubectl(layout, "get", "vm"))
    _say(f"$ curl {url}\n{answer}")


@application.command()
def down(
    state_dir: StateDir = None,
    keep_logs: Annotated[bool, typer.Option("--keep-logs", help="Leave the log files.")] = False,  # noqa: FBT002
) -> None:
    """Take the sandbox down and remove every trace of it."""
    from drover.sandbox import lifecycle  # noqa: PLC0415  (an HTTP client and cryptography take half a second to load)

    began = time.monotonic()
    asyncio.run(lifecycle.down(state_dir or control.default_state(), keep_logs=keep_logs))
    _say(f"down after {time.monotonic() - began:.1f} s", error=True)


@application.command()
def status(
    state_dir: StateDir = None, output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE
) -> None:
    """Show every component, and where to find what."""
    layout = control.attach(state_dir)
    reports = asyncio.run(supervise.status(layout))
    if output is Output.JSON:
        _say(json.dumps(describe(layout, reports), indent=2))
    else:
        Console().print(_table(reports))
        _say(f"kubectl     {_relative(layout.kubectl)}\nkubeconfig  {layout.kubeconfig}\nAPI server  {layout.api_url}")
        _say(f"guests      {layout.vm_network}\nlogs        {layout.logs}")


def describe(layout: Layout, reports: tuple[Report, ...]) -> dict[str, object]:
    """Return everything about a sandbox that a program may want to know."""
    nodes = [
        {"name": item.name, "address": str(item.address), "libvirt": item.libvirt_uri, "bootIDFile": str(item.boot_id)}
        for item in layout.nodes(settings.load(layout).nodes)
    ]
    components = [{name: getattr(item, name) for name in Report.__slots__} for item in reports]
    return {
        "stateDir": str(layout.state),
        "slot": layout.slot,
        "kubelet": settings.load(layout).kubelet,
        "kubeconfig": str(layout.kubeconfig),
        "kubectl": str(layout.kubectl),
        "server": layout.api_url,
        "images": layout.image_url,
        "vmNetwork": str(layout.vm_network),
        "nodes": nodes,
        "components": components,
    }


def _table(reports: tuple[Report, ...]) -> Table:
    table = Table("COMPONENT", "STATE", "PID", "RESTARTS", "NODE", box=None, pad_edge=False)
    for item in reports:
        colour = "green" if item.state == "running" else "yellow"
        state = f"[{colour}]{item.state}[/]"
        table.add_row(item.name, state, str(item.pid or ""), str(item.restarts), item.node)
    return table


@application.command(name="exec", context_settings={"allow_interspersed_args": False})
def execute(node: NodeName, command: Annotated[list[str], typer.Argument()], state_dir: StateDir = None) -> None:
    """Run a command inside a node: drover sandbox exec n1 -- virsh list."""
    layout = control.attach(state_dir)
    found = control.find_node(layout, node)
    (report,) = asyncio.run(supervise.status(layout, node))
    if not report.pid:
        _fail(f"{node} is {report.state}")
    words = command[1:] if command[0] == "--" else command
    os.execvp("bash", ["bash", str(DATA / "node-enter.sh"), str(report.pid), found.cgroup, *words])  # noqa: S606


@application.command()
def logs(
    component: Annotated[str | None, typer.Argument(help="Default: controllers and agents.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f")] = False,  # noqa: FBT002
    lines: Annotated[int, typer.Option("--lines", "-n")] = 100,
    state_dir: StateDir = None,
) -> None:
    """Show the end of a component's log."""
    layout = control.attach(state_dir)
    if component is None and settings.load(layout).real:
        follower = ("--follow", "--max-log-requests=20") if follow else ()
        words = ("logs", "-n", NAMESPACE, f"--selector={PODS}", "--prefix", f"--tail={lines}", *follower)
        os.execv(layout.kubectl, ["kubectl", *words])  # noqa: S606
    own = sorted([*layout.logs.glob("controller*.log"), *layout.logs.glob("agent-*.log")])
    files = [layout.log(component)] if component else own
    missing = [path for path in files if not path.exists()]
    if missing or not files:
        _fail(f"no such log; there are {', '.join(sorted(path.stem for path in layout.logs.glob('*.log')))}")
    os.execvp("tail", ["tail", "-n", str(lines), *(["-F"] if follow else []), "--", *map(str, files)])  # noqa: S606


@application.command()
def restart(components: Names, state_dir: StateDir = None) -> None:
    """Stop components politely and start them again."""
    _order(control.restart(control.attach(state_dir), *components))


@application.command()
def kill(components: Names, signal: str = "KILL", state_dir: StateDir = None) -> None:
    """Send components a signal; what dies of it is started again at once."""
    _order(control.kill(control.attach(state_dir), *components, signal=signal.removeprefix("SIG")))


@application.command()
def stop(components: Names, state_dir: StateDir = None) -> None:
    """Stop components until they are started."""
    _order(control.stop(control.attach(state_dir), *components))


@application.command()
def start(components: Names, state_dir: StateDir = None) -> None:
    """Start stopped components."""
    _order(control.start(control.attach(state_dir), *components))


@application.command()
def reload(state_dir: StateDir = None) -> None:
    """Bring the code as it is now into controllers and agents; guests keep running."""
    layout = control.attach(state_dir)
    wanted = settings.load(layout)
    if wanted.real:
        from drover.sandbox import release  # noqa: PLC0415  (see `up`)

        _say(f"upgraded to {asyncio.run(release.reload(layout, wanted, Progress()))}")
    else:
        names = asyncio.run(control.reload(layout))
        _say(f"restarted {', '.join(names) or 'nothing'}")


@application.command()
def tool(name: Annotated[Tool, typer.Argument()]) -> None:
    """Print where a program of the sandbox is, building it if need be."""
    programs = {Tool.HELM: binaries.helm}
    _say(str(asyncio.run(programs[name]())))


@application.command(name="power-off")
def power_off(node: NodeName, state_dir: StateDir = None) -> None:
    """Cut the power of a node."""
    _power("power_off", state_dir, node)


@application.command(name="power-on")
def power_on(node: NodeName, state_dir: StateDir = None) -> None:
    """Boot a node."""
    _power("power_on", state_dir, node)


@application.command()
def partition(node: NodeName, state_dir: StateDir = None) -> None:
    """Cut a node off the network."""
    _power("partition", state_dir, node)


@application.command()
def heal(node: NodeName, state_dir: StateDir = None) -> None:
    """Put a node back on the network."""
    _power("heal", state_dir, node)


def _power(verb: str, state_dir: Path | None, node: str) -> None:
    from drover.sandbox import power  # noqa: PLC0415  (an HTTP client and cryptography take half a second to load)

    verbs = {
        "power_off": power.power_off,
        "power_on": power.power_on,
        "partition": power.partition,
        "heal": power.heal,
    }
    _order(verbs[verb](control.attach(state_dir), node))


def _order(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def _pairs(texts: list[str]) -> dict[str, str]:
    wrong = [text for text in texts if "=" not in text]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]} is not NAME=VALUE")
    return dict(text.split("=", 1) for text in texts)


def _relative(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _say(text: str, *, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout, flush=True)


def _complain(text: str) -> None:
    Console(stderr=True, highlight=False).print(Text.assemble(("error:", "red"), f" {text}"), soft_wrap=True)


def _fail(text: str) -> NoReturn:
    _complain(text)
    raise typer.Exit(FAILURE)


def main(arguments: list[str]) -> int:
    """Run ``drover sandbox`` with these arguments; return its exit code."""
    try:
        application(arguments, prog_name="drover sandbox")
    except OperatorError as error:
        _complain(str(error))
        return FAILURE
    except SystemExit as end:  # typer's way to return, also after it has explained a wrong option
        return end.code if isinstance(end.code, int) else FAILURE
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
