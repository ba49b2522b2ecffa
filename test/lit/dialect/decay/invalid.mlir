// RUN: decay-opt %s --split-input-file --verify-diagnostics

func.func @unknown_operator(%x: !decay.field<token>) {
  // expected-error@+1 {{unknown pointwise operator 'sinh'}}
  %y = decay.map "sinh"(%x) : (!decay.field<token>) -> !decay.field<token>
  return
}

// -----

func.func @wrong_arity(%x: !decay.field<token>) {
  // expected-error@+1 {{'add' takes 2 operands}}
  %y = decay.map "add"(%x) : (!decay.field<token>) -> !decay.field<token>
  return
}

// -----

func.func @result_axes(%x: !decay.field<token>) {
  // expected-error@+1 {{the result must vary over the union of the operands' axes}}
  %y = decay.map "exp"(%x) : (!decay.field<token>) -> !decay.field<token, head>
  return
}

// -----

func.func @narrowing_broadcast(%x: !decay.field<token, head>) {
  // expected-error@+1 {{the axes of one type must contain those of the other}}
  %y = decay.broadcast %x : !decay.field<token, head> -> !decay.field<head>
  return
}

// -----

func.func @scan_of_constant(%x: !decay.field<head>, %z: !decay.field<sequence, head>) {
  // expected-error@+1 {{the term must vary over token}}
  %a, %b, %c = decay.scan "cumsum" %x from %z
      : (!decay.field<head>, !decay.field<sequence, head>)
      -> (!decay.field<head>, !decay.field<head>, !decay.field<sequence, head>)
  return
}

// -----

func.func @unknown_scan(%x: !decay.field<token>, %z: !decay.field<sequence>) {
  // expected-error@+1 {{unknown kind 'cumprod'}}
  %a, %b, %c = decay.scan "cumprod" %x from %z
      : (!decay.field<token>, !decay.field<sequence>)
      -> (!decay.field<token>, !decay.field<token>, !decay.field<sequence>)
  return
}

// -----

func.func @rotation(%x: !decay.field<token, head, channel>) {
  // expected-error@+1 {{lrpe_cosine adds the pair axis}}
  %y = decay.rotate "lrpe_cosine" %x
      : !decay.field<token, head, channel> -> !decay.field<token, head, channel>
  return
}

// -----

func.func @layer_kept(%x: !decay.field<layer, head>) {
  // expected-error@+1 {{the result must be the operand without its layer axis}}
  %y = decay.at_layer %x : !decay.field<layer, head> -> !decay.field<layer, head>
  return
}

// -----

// expected-error@+1 {{unknown axis 'time'}}
func.func @axis(%x: !decay.field<time>) {
  return
}
