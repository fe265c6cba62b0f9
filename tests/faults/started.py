"""A program that is started once and run many times: tests/support/fail_calls.c lets a copy of it go on
from before its main for each run, which takes a tenth of the time of starting it."""

import os
import select
import signal
import subprocess


class Started:
    """Some words for the program in a folder. Its output goes into files beside that folder, on which
    nobody else may run it meanwhile."""

    def __init__(self, program, library, folder, words, environment, stdin):
        ours, theirs = os.pipe(), os.pipe()
        self.ask, self.answer = ours[1], theirs[0]
        self.said = {number: f"{folder}.{name}" for number, name in ((1, "stdout"), (2, "stderr"))}
        self.files = [f"0={os.path.join(folder, stdin)}", *(f"{n}={path}" for n, path in self.said.items())]
        self.process = subprocess.Popen(
            [program, *words], cwd=folder, pass_fds=(ours[0], theirs[1]),
            env={**environment, "LD_PRELOAD": str(library), "FAIL_SERVE": f"{ours[0]} {theirs[1]}"})
        os.close(ours[0])
        os.close(theirs[1])

    def line(self, seconds):
        """An answer's number; nothing, when it takes longer."""
        if not select.select([self.answer], [], [], seconds)[0]:
            return None
        text = b""
        while not text.endswith(b"\n"):
            more = os.read(self.answer, 1)
            assert more, f"{self.process.args} does not start"
            text += more
        return int(text)

    def run(self, seconds, **settings):
        """The exit status, as subprocess has it, and what was printed; -1000 when it took too long."""
        words = [*self.files, *(f"{name}={value}" for name, value in settings.items())]
        os.write(self.ask, ("\t".join(words) + "\n").encode())
        process, ended = self.line(None), self.line(seconds)
        late = ended is None
        if late:
            os.kill(process, signal.SIGKILL)
            ended = self.line(None)
        texts = []
        for path in self.said.values():
            with open(path, "rb") as text:
                texts.append(text.read().decode(errors="replace"))
        return -1000 if late else os.waitstatus_to_exitcode(ended), *texts

    def stop(self):
        os.close(self.ask)
        os.close(self.answer)
        self.process.wait()
