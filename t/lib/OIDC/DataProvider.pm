# The local data provider of a test, started by OIDC::Test's start_data_provider: an OIDC::Provider without logins.
package OIDC::DataProvider;
use strict;
use warnings;

our @ISA = ('OIDC::Provider');

our $Siret = '13002526500013';    # one with a valid key

sub options
{
    my $self = shift;
    my %o = %{ $self->{o} };
    return ($o{provider} ? ('--issuer', $o{provider}->issuer) : (), $o{staging} ? '--staging' : ());
}

# All switches off, nothing recorded.
sub reset { my ($self, %switches) = @_; $self->_call(POST => '/__control/reset'); return $self->control(%switches) }

# What arrived at its APIs since then, in order: method, path, query, headers, recipient, bearer, status, reason (of a refusal).
sub received { my $self = shift; return @{ $self->control->{log} } }

# The address of an API, as api('dss/quotient_familial').
sub api { my ($self, $name) = @_; return "$self->{origin}/v3/$name/france_connect" }

1;
