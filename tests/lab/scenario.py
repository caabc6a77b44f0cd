"""The list of scenarios. Each gets a lab in which the service is steady on n1, unless it asks for
less; a good end also needs that ephord ends cleanly on SIGTERM, that no sanitizer complained, and
that the address never was on two nodes."""

import os

SCENARIOS = []

# Settings that stand in the way of many failovers in a short time.
HASTY = 'hold_down = "0s"; moves_max = 8; moves_window = "1s"; restart_window = "1s";'


class Scenario:
    """One promise, shown."""

    def __init__(self, function, settings, edits, settle, seconds, controllers, program):
        self.function = function
        self.name = function.__name__
        self.settings = settings
        self.edits = edits
        self.settle = settle
        self.seconds = seconds
        self.controllers = controllers
        self.program = program

    def run(self, lab):
        if self.program:
            lab.env["EPHORD"] = os.path.join(lab.build, self.program)
        if self.settings:
            lab.edit_all(('vips = [ "web" ];', f'vips = [ "web" ]; {self.settings}'))
        lab.edit_all(*self.edits)
        if self.controllers > 1:
            lab.cluster.form()
            lab.cluster.service_is("n1")
        elif self.settle:
            lab.start()
            lab.settled()
        self.function(lab)


def scenario(settings="", edits=(), settle=True, seconds=10, controllers=1, program=""):
    """settings: added to the service. edits: other changes of the configuration. settle=False: the
    scenario starts ephord itself. seconds: about how long it takes, to plan by. controllers: how
    many form a cluster (lab.cluster) before it begins. program: in place of ephord."""
    def add(function):
        SCENARIOS.append(Scenario(function, settings, edits, settle, seconds, controllers,
                                  program))
        return function
    return add
