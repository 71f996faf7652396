"""Where everything is reached in a network of containers: a service's name, and a port for each kind of door."""

from operator_command.topology import SERVICES, Addresses

# The same in compose.yaml and in the chart.
PORTS = {"internal": 8443, "agency": 8444, "public": 8445}


def container_addresses() -> Addresses:
    """The doors of every service, as other containers reach them."""
    return Addresses(
        {f"{service.name} {door}": f"{service.name}:{PORTS[door]}" for service in SERVICES for door in service.doors}
    )
