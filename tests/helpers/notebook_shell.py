"""A stand-in for IPython's shell, for tests of what happens when cells run again."""


class Shell:
    """What is needed of IPython: events, names, and the message that runs a cell."""

    def __init__(self):
        self.user_ns, self.user_ns_hidden, self.handlers = {"_oh": {}}, {}, []
        self.events = self.displayhook = self
        self.count = 0
        self.parent = {}

    def register(self, name, handler):
        assert name == "post_run_cell"
        self.handlers.append(handler)

    def get_parent(self):
        return self.parent

    def run(self, cell, work):
        """Runs a cell; what `work` returns is its result, which is shown and kept."""
        self.count += 1
        header = {"msg_type": "execute_request", "msg_id": f"message {self.count}"}
        self.parent = {"header": header, "metadata": {"cellId": cell} if cell else {}}
        result = work()
        if result is not None:
            result._repr_mimebundle_()
            self.user_ns["_oh"][self.count] = self.user_ns[f"_{self.count}"] = self.user_ns["_"] = result
            self.user_ns_hidden["__"] = self._ = result
        for handler in self.handlers:
            handler(None)
